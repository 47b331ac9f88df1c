package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"resetrig/internal/need"
)

// patience is how long a condition in the browser may take: a computer whose
// cores others use too is no failure.
const patience = 60 * time.Second

// shots is where the pictures go: RESETRIG_SCREENSHOTS, or a folder that is
// deleted.
func shots(t *testing.T) string {
	dir := os.Getenv("RESETRIG_SCREENSHOTS")
	if dir == "" {
		return t.TempDir()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// browser finds Debian's chromium. Without it the test is skipped, unless the
// environment requires it: RESETRIG_REQUIRE=browser, or all.
func browser(t *testing.T) string {
	t.Helper()
	return need.Tool(t, "browser", "chromium")
}

// tab is a page in a browser, and everything that it complained of.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string
	dir  string

	mu       sync.Mutex
	away     bool // the rig is away: that it cannot be reached is no complaint
	expected []string
	said     []string // complaints
	hosts    map[string]bool
}

// openTab starts a browser with one page. It ends with the test.
func openTab(t *testing.T, base string) *tab {
	exe := browser(t)
	profile := t.TempDir()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(exe), chromedp.UserDataDir(profile),
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("no-proxy-server", true))
	if os.Geteuid() == 0 {
		opts = append(opts, chromedp.NoSandbox)
	}
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	ctx, end := chromedp.NewExecAllocator(ctx, opts...)
	ctx, closeTab := chromedp.NewContext(ctx)
	b := &tab{t: t, ctx: ctx, base: base, dir: shots(t), hosts: map[string]bool{}}
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits for the browser's own end
		closeTab()
		end()
		stop()
	})
	if err := chromedp.Listen(ctx, b.event); err != nil {
		t.Fatalf("start %s: %v", exe, err)
	}
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, cdplog.Enable, cdp.Empty{}); err != nil {
			return err
		}
		if _, err := cdp.Call(ctx, t, runtime.Enable, cdp.Empty{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, t, network.Enable, network.EnableParams{})
		return err
	}))
	b.size(1280, 900, false)
	return b
}

func (b *tab) event(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	complain := func(text string) {
		if b.away && strings.Contains(text, "ERR_") {
			return
		}
		for _, e := range b.expected {
			if strings.Contains(text, e) {
				return
			}
		}
		b.said = append(b.said, text)
	}
	switch e := ev.(type) {
	case *cdplog.EventEntryAdded:
		if l := e.Entry.Level.String(); l == "error" || l == "warning" {
			complain(fmt.Sprintf("log: %s %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *runtime.EventExceptionThrown:
		text, _ := json.Marshal(e.ExceptionDetails)
		complain("exception: " + string(text))
	case *runtime.EventConsoleAPICalled:
		if k := e.Type.String(); k == "error" || k == "warning" || k == "assert" {
			text, _ := json.Marshal(e.Args)
			complain("console: " + string(text))
		}
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil && (u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "ws" || u.Scheme == "wss") {
			b.hosts[u.Host] = true
		}
	}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.base + path))
}

// js evaluates an expression in the page.
func js[T any](b *tab, expression string, opts ...chromedp.EvaluateOption) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, opts...))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// wait waits until an expression holds in the page.
func (b *tab) wait(what, expression string) {
	b.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		// While a page gives way to another there is nothing to ask.
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		if err == nil && ok {
			return
		}
		if time.Now().After(end) {
			b.shot("waited-in-vain")
			b.t.Fatalf("waited in vain for %s: %s (%v)\npage: %s", what, expression, err, js[string](b, "location.pathname + ' ' + document.querySelector('main').innerText.slice(0, 1500)"))
		}
	}
}

// press clicks what a person would: an element that can be seen.
func (b *tab) press(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

func (b *tab) write(selector, text string) {
	b.t.Helper()
	b.do(chromedp.SendKeys(chromedp.CSS(selector), text, chromedp.NodeVisible))
}

func (b *tab) size(w, h int64, phone bool) {
	b.t.Helper()
	if phone {
		b.do(chromedp.EmulateViewport(w, h, chromedp.EmulateMobile, chromedp.EmulateTouch))
	} else {
		b.do(chromedp.EmulateViewport(w, h))
	}
}

func (b *tab) scheme(scheme string) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	}))
}

// shot keeps a picture of the page: of what is seen, or of all.
func (b *tab) shot(name string) {
	b.t.Helper()
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(b.dir, name+".png"), picture, 0o644)
	}
	if err != nil {
		b.t.Errorf("picture %s: %v", name, err)
	}
}

func (b *tab) whole(name string) {
	b.t.Helper()
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(b.dir, name+".png"), picture, 0o644)
	}
	if err != nil {
		b.t.Errorf("picture %s: %v", name, err)
	}
}

// sound checks what holds for every page: nothing to complain of, no other host,
// a name for everything that can be operated, one main part and one heading, and
// nothing wider than the window.
func (b *tab) sound(page string) {
	b.t.Helper()
	type finding = string
	for _, f := range js[[]finding](b, pageChecks) {
		b.t.Errorf("%s: %s", page, f)
	}
	b.quiet(page)
}

// quiet checks that the browser had nothing to complain of, and that no other
// host was asked.
func (b *tab) quiet(page string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.said {
		b.t.Errorf("%s: the browser says: %s", page, s)
	}
	b.said = nil
	u, _ := url.Parse(b.base)
	for h := range b.hosts {
		if h != u.Host {
			b.t.Errorf("%s: the page asked another host: %s", page, h)
		}
	}
}

// pageChecks gives what is wrong with a page: names, landmarks, width, contrast
// (WCAG 2.2, 1.4.3: 4.5 to 1, and 3 to 1 for large text).
const pageChecks = `(() => {
  const out = [], seen = (e) => e.checkVisibility({visibilityProperty: true}) && e.getClientRects().length > 0;
  const tell = (e) => e.outerHTML.slice(0, 120);
  if (document.querySelectorAll('main').length !== 1) out.push('there is not one main part');
  if (document.querySelectorAll('h1').length !== 1) out.push('there is not one heading of the first level');
  if (!document.documentElement.lang) out.push('the page says no language');
  if (document.documentElement.scrollWidth > innerWidth) out.push('the page is ' + document.documentElement.scrollWidth + ' px wide in a window of ' + innerWidth);
  for (const e of document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, progress, meter, audio, img, canvas, svg[role=img]')) {
    if (!seen(e)) continue;
    const labelled = (e.getAttribute('aria-labelledby') || '').split(/\s+/).map((id) => id && document.getElementById(id)?.textContent || '').join('');
    const name = e.getAttribute('aria-label') || labelled || e.alt || [...(e.labels || [])].map((l) => l.textContent).join('') || (/^(A|BUTTON|SUMMARY)$/.test(e.tagName) ? e.textContent : '') || e.title;
    if (e.tagName !== 'AUDIO' && !String(name).trim()) out.push('no name: ' + tell(e));
  }
  const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
  for (const id of new Set(ids.filter((v, i) => ids.indexOf(v) !== i))) out.push('an id is there twice: ' + id);
  const parse = (c) => { const m = c.match(/[\d.]+/g).map(Number); return [m[0], m[1], m[2], m[3] === undefined ? 1 : m[3]]; };
  const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const back = (e) => { const layers = []; for (; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor)); return layers.reverse().reduce((under, l) => over(l, under), matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18, 1] : [255, 255, 255, 1]); };
  const light = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const told = new Set();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || !seen(e) || e.closest('svg, .unseen, .skip, .uplot, noscript, option')) continue;
    const s = getComputedStyle(e), under = back(e), text = over(parse(s.color), under);
    const [a, b] = [light(under), light(text)].sort((x, y) => y - x), ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(s.fontSize), large = size >= 24 || size >= 18.66 && Number(s.fontWeight) >= 700;
    const key = s.color + under.join();
    if (ratio < (large ? 3 : 4.5) && !told.has(key)) { told.add(key); out.push('contrast ' + ratio.toFixed(2) + ' to 1: ' + tell(e)); }
  }
  return out;
})()`

// keyboard goes through the page by the tab key until it comes to the beginning
// again, and says to how many elements it came. Each must show that it has the
// focus.
func (b *tab) keyboard() int {
	b.t.Helper()
	seen := map[string]bool{}
	for range 120 {
		b.do(chromedp.KeyEvent(kb.Tab))
		at := js[[]string](b, `(() => { const e = document.activeElement, s = getComputedStyle(e); return [e === document.body ? '' : [...document.querySelectorAll('*')].indexOf(e) + ' ' + e.outerHTML.slice(0, 80), s.outlineStyle]; })()`)
		if at[0] == "" || seen[at[0]] {
			break
		}
		seen[at[0]] = true
		if at[1] == "none" {
			b.t.Errorf("it is not seen that this has the focus: %s", at[0])
		}
	}
	return len(seen)
}

func (b *tab) setAway(away bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = away
}

// expect says what the browser's console will be told by a request that is
// refused: that the answer is no 200.
func (b *tab) expect(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected = append(b.expected, text)
}
