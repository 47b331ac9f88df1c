package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// dashboardAt is the address that a serving process has said.
var dashboardAt = regexp.MustCompile(`https?://127\.0\.0\.1:\d+`)

// serveUp starts `resetrig serve` and waits for its address.
func serveUp(t *testing.T, state, listen string, args ...string) (*process, string) {
	t.Helper()
	p := start(t, append([]string{"--state", state, "serve", "--listen", listen}, args...)...)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if at := dashboardAt.FindString(p.err.String() + p.out.String()); at != "" {
			return p, at
		}
	}
	t.Fatalf("resetrig serve does not say its address: %s%s", p.out, p.err)
	return nil, ""
}

// browserBench is a bench whose recorder fails now and then, and which keeps the
// evidence of it.
const browserBench = `bench: lab-left
dut: {model: imou-nvr-new}
relays:
  power: {min-off: 3s}
  reset: {max-on: 40s}
soak: {stop-after-fails: 0, stop-after-errors: 0, retries: 2}
evidence: {keep: sampled, first: 2, every: 0}
simulate:
  model: imou-new
  seed: 7
  senses: [power, reset, network]
  ear: true
  faults:
    - {name: no-beep, probability: 0.08}
    - {name: reset-ignored, probability: 0.05}
    - {name: power-open, probability: 0.04}
`

// TestDashboardInABrowser drives every page in Debian's chromium against a soak
// that runs, as a person would: start, pause, go on, comment, acknowledge, stop,
// emergency, and a server that goes away and comes back.
func TestDashboardInABrowser(t *testing.T) {
	browser(t)
	dir := t.TempDir()
	bench := filepath.Join(dir, "lab.yaml")
	if err := os.WriteFile(bench, []byte(browserBench), 0o600); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(dir, "state")
	swept := command(t, "--state", state, "sweep", "imou-hard-reset", "-p", "hold=8s..20s/6s", "--repeat", "2")
	if out, err := swept.CombinedOutput(); err != nil {
		t.Fatalf("a sweep to look at: %v\n%s", err, out)
	}
	server, at := serveUp(t, state, "127.0.0.1:0", "--bench", bench)
	b := openTab(t, at)

	// The first page of a rig with one bench is that bench.
	b.open("/")
	b.wait("the bench's page", `location.pathname === '/live/lab-left'`)
	b.wait("the stream", `document.body.dataset.stream === 'open'`)
	b.sound("live, idle")
	b.whole("live-idle")
	b.do(chromedp.KeyEvent(kb.Tab))
	if first := js[string](b, `document.activeElement.textContent + ', ' + getComputedStyle(document.activeElement).outlineStyle`); first != "To the content, solid" {
		t.Errorf("the first that the keyboard comes to is %q", first)
	}
	if n := b.keyboard(); n < 15 {
		t.Errorf("the keyboard comes to %d elements of the page", n)
	}

	// Another scenario has other parameters.
	js[bool](b, `(() => { const s = document.querySelector('#scenario'); s.value = 'control-no-press'; s.dispatchEvent(new Event('change', {bubbles: true})); return true; })()`)
	b.wait("the other scenario's parameters", `!document.getElementById('p.hold')`)
	js[bool](b, `(() => { const s = document.querySelector('#scenario'); s.value = 'imou-hard-reset'; s.dispatchEvent(new Event('change', {bubbles: true})); return true; })()`)
	b.wait("the scenario's parameters", `document.getElementById('p.hold')`)

	// What is wrong with a wish is said where the person is.
	b.expect("400 (Bad Request)")
	b.press("form.start button.go")
	b.wait("why it does not start", `document.querySelector('#said .bad')?.textContent.includes('no end')`)

	// Start.
	b.write("#cycles", "50000")
	js[bool](b, `document.querySelector('input[name=control][value=control-no-press]').click() ?? true`)
	b.write("#controls_every", "20")
	b.write("#labels", "firmware=4.001")
	b.press("form.start button.go")
	b.wait("a running cycle", `document.querySelector('.live [data-f=says]')?.textContent.startsWith('Runs')`)
	b.wait("outcomes in the strip", `document.querySelectorAll('.live .strip a').length >= 12`)
	b.wait("the sound", `Number(document.querySelector('#spectrum').dataset.rows) > 20`)
	run := js[string](b, `document.querySelector('[data-v=run]').value`)
	b.wait("a relay's state", `['powered', 'cut'].includes(document.querySelector('[data-relay=power] [data-f=now]').textContent)`)
	b.sound("live, running")
	b.wait("a line of outcomes", `document.querySelectorAll('.live .strip a').length >= 30`)
	b.size(1080, 840, false) // the docs' picture: a waterfall of few lines, since noise makes pictures large
	b.open("/live/lab-left")
	b.wait("the sound", `Number(document.querySelector('#spectrum').dataset.rows) > 15`)
	b.wait("an act, its relays read back", `document.querySelector('[data-phase=act][aria-current]') && [...document.querySelectorAll('[data-relay]')].every((r) => r.querySelector('[data-f=said]').textContent === r.querySelector('[data-f=reads]').textContent)`)
	b.shot("live")
	b.size(1280, 900, false)
	b.whole("live-whole")
	b.scheme("dark")
	b.sound("live, dark")
	b.whole("live-dark")
	b.size(360, 740, true)
	b.open("/live/lab-left")
	b.wait("the sound", `Number(document.querySelector('#spectrum').dataset.rows) > 20`)
	b.sound("live, phone, dark")
	b.whole("live-phone-dark")
	b.scheme("light")
	b.sound("live, phone")
	b.wait("an act", `document.querySelector('[data-phase=act][aria-current]')`)
	b.shot("phone")
	b.whole("live-phone")
	b.size(1280, 900, false)

	// Pause, and go on.
	b.press(`form[action="/act/hold"] button`)
	b.wait("the pause", `document.querySelector('.live [data-f=says]').textContent.startsWith('Holds')`)
	b.wait("what was said", `document.querySelector('#said .good')`)
	b.press(`form[action="/act/go-on"] button`)
	b.wait("it to go on", `document.querySelector('.live [data-f=says]').textContent.startsWith('Runs')`)

	// A run: its page follows by itself.
	b.wait("a fail and an error", `document.querySelector('.strip .proven, .strip .presumed') && document.querySelector('.strip .error')`)
	b.open("/runs")
	b.sound("runs")
	b.whole("runs")
	b.open("/runs/" + run)
	b.wait("the plots", `Number(document.querySelector('#plots').dataset.drawn) > 5`)
	before := js[int](b, `Number(document.querySelector('#counts-all').textContent.replaceAll(',', ''))`)
	b.wait("the page to follow", fmt.Sprintf(`Number(document.querySelector('#counts-all').textContent.replaceAll(',', '')) > %d`, before))
	b.wait("still the plots", `document.querySelectorAll('.uplot').length > 5`)
	b.sound("run")
	b.shot("soak")
	b.whole("run")
	for _, format := range []string{"json", "csv", "junit", "text"} {
		if n := js[int](b, fmt.Sprintf(`fetch('/runs/%s/report/%s').then((r) => r.ok ? r.text() : '').then((t) => t.length)`, run, format), chromedp.EvalAwaitPromise); n < 500 {
			t.Errorf("the report as %s has %d letters", format, n)
		}
	}
	b.scheme("dark")
	b.size(360, 740, true)
	b.sound("run, phone, dark")
	b.whole("run-phone-dark")
	b.size(1280, 900, false)
	b.scheme("light")

	// A cycle that failed, and one that the rig could not tell.
	failed := js[string](b, `[...document.querySelectorAll('#failures tbody a')].find((a) => a.closest('tr').textContent.includes('beep-missing')).getAttribute('href')`)
	broken := js[string](b, `[...document.querySelectorAll('#failures tbody a')].find((a) => a.closest('tr').querySelector('.error'))?.getAttribute('href') ?? ''`)
	b.open(failed)
	b.wait("the chart", `document.querySelectorAll('svg.timeline .lrelay').length >= 2`)
	b.wait("the sound's level", `document.querySelector('svg.timeline .level')`)
	b.sound("cycle")
	b.shot("cycle")
	b.whole("cycle-whole")
	b.press(`.zooms a:nth-of-type(3)`)
	b.wait("the act alone", `document.querySelector('.zooms a[aria-current]').textContent === 'act'`)
	b.write("#note", `pins cleaned <img src=x onerror="document.title='owned'">`)
	b.press(`#notes button`)
	b.wait("the comment", `document.querySelector('.notes .text')?.textContent.includes('<img src=x')`)
	if js[bool](b, `document.title === 'owned' || !!document.querySelector('.notes img')`) {
		t.Error("a comment's markup came into the page as markup")
	}
	b.sound("cycle with a comment")
	b.size(360, 740, true)
	b.scheme("dark")
	b.sound("cycle, phone, dark")
	b.whole("cycle-phone-dark")
	b.scheme("light")
	b.size(1280, 900, false)
	if broken == "" {
		t.Error("there is no error of the rig to acknowledge")
	} else {
		b.open(broken)
		b.press(`button[formaction="/act/acknowledge"]`)
		b.wait("the acknowledgement", `document.querySelector('.notes strong')?.textContent === 'acknowledged'`)
		b.sound("cycle, acknowledged")
	}

	// Benches and who did what.
	b.open("/benches")
	b.sound("benches")
	b.whole("benches")
	b.open("/benches/lab-left")
	b.sound("bench")
	b.whole("bench")
	b.open("/audit")
	if n := js[int](b, `[...document.querySelectorAll('tbody th')].filter((e) => ['start', 'hold', 'go-on', 'comment'].includes(e.textContent)).length`); n < 4 {
		t.Errorf("the audit log has %d of the actions", n)
	}
	b.sound("audit")
	b.whole("audit")
	b.open("/runs/" + run + "/report/html")
	b.wait("the report", `document.querySelector('#verdict')`)
	b.quiet("report")
	b.open("/runs?kind=sweep")
	b.press(`tbody th a`)
	b.wait("the sweep", `document.querySelector('.paper svg circle')`)
	b.sound("sweep")
	b.whole("sweep")
	b.expect("404 (Not Found)")
	b.open("/cycles/no-such-cycle")
	b.sound("no such cycle")

	// Emergency: one click, no question.
	b.open("/live/lab-left")
	b.wait("the stream", `document.body.dataset.stream === 'open'`)
	b.press(`form[action="/act/emergency"] button`)
	b.wait("the end", `document.querySelector('.live [data-f=says]').textContent === 'Idle'`)
	b.wait("what was said", `/\(\d+ ms\)/.test(document.querySelector('#said').textContent)`)
	b.wait("no word of the power but that it is cut", `document.querySelector('[data-relay=power] [data-f=now]').textContent === 'cut'`)
	b.sound("after the emergency")
	b.shot("emergency")

	// The server goes, and comes back at the same address: the page that stayed
	// open says so, and follows without being loaded again.
	js[bool](b, `window.same = true`)
	b.setAway(true)
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait()
	b.wait("the banner", `!document.querySelector('#away').hidden`)
	b.shot("away")
	listen := strings.TrimPrefix(at, "http://")
	_, again := serveUp(t, state, listen, "--bench", bench)
	if again != at {
		t.Fatalf("it came back at %s, not at %s", again, at)
	}
	b.wait("the banner to go", `document.querySelector('#away').hidden && document.body.dataset.stream === 'open'`)
	b.setAway(false)
	if !js[bool](b, `window.same === true`) {
		t.Error("the page was loaded again")
	}
	shown := js[string](b, `document.querySelector('.live .strip li:last-child a').getAttribute('href')`)

	// Go on with that soak, in the same page's successor, and stop it.
	b.open("/runs/" + run)
	b.press(`form[action="/act/resume"] button`)
	b.wait("the soak to go on", `location.pathname === '/live/lab-left' && document.querySelector('.live [data-f=says]')?.textContent.startsWith('Runs')`)
	b.wait("new outcomes", fmt.Sprintf(`document.querySelector('.live .strip li:last-child a')?.getAttribute('href') > %q`, shown))
	b.press(`.confirm summary`)
	b.press(`form[action="/act/stop"] button`)
	b.wait("the end", `document.querySelector('.live [data-f=says]').textContent === 'Idle'`)
	b.sound("after the stop")
}

// TestDashboardWithTokens logs in with a viewer's token and an operator's.
func TestDashboardWithTokens(t *testing.T) {
	browser(t)
	dir := t.TempDir()
	tokens := filepath.Join(dir, "tokens")
	secret := map[string]string{}
	for name, role := range map[string]string{"vera": "viewer", "otto": "operator"} {
		out, err := command(t, "serve", "token", name, "--role", role, "--tokens", tokens).Output()
		if err != nil {
			t.Fatal(err)
		}
		secret[name] = strings.TrimSpace(string(out))
	}
	left, right := filepath.Join(dir, "left.yaml"), filepath.Join(dir, "right.yaml")
	for file, name := range map[string]string{left: "lab-left", right: "lab-right"} {
		if err := os.WriteFile(file, []byte(strings.Replace(browserBench, "lab-left", name, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, at := serveUp(t, filepath.Join(dir, "state"), "127.0.0.1:0", "--tokens", tokens, "--bench", left, "--bench", right)
	b := openTab(t, at)
	b.expect("401 (Unauthorized)")
	login := func(token string) {
		b.write("#token", token)
		b.press(`form[action="/login"] button`)
	}
	b.open("/runs")
	b.wait("the login", `location.pathname === '/login' && document.querySelector('#token')`)
	b.sound("login")
	b.shot("login")
	login("not a token")
	b.wait("why not", `document.querySelector('#wrong')`)
	b.sound("login refused")
	login(secret["vera"])
	b.wait("the page that was wanted", `location.pathname === '/runs' && document.querySelector('.me')?.textContent.includes('vera, viewer')`)
	b.open("/live/lab-left")
	b.wait("the stream", `document.body.dataset.stream === 'open'`)
	if js[bool](b, `!!document.querySelector('form[action^="/act/"]')`) {
		t.Error("a viewer is offered to act")
	}
	b.sound("live, viewer")
	b.press(`form[action="/logout"] button`)
	b.wait("the login", `location.pathname === '/login' && document.querySelector('#token')`)
	login(secret["otto"])
	b.wait("a page", `document.querySelector('.me')?.textContent.includes('otto, operator')`)
	b.open("/live/lab-left")
	b.wait("what an operator has", `document.querySelector('form[action="/act/emergency"]')`)
	b.write("#cycles", "5000")
	b.press("form.start button.go")
	b.wait("it to run", `document.querySelector('.live [data-f=says]')?.textContent.startsWith('Runs')`)
	b.open("/")
	b.wait("both benches, and outcomes of one", `document.querySelectorAll('.card').length === 2 && document.querySelectorAll('[data-card=lab-left] .strip a').length > 3`)
	b.sound("overview")
	b.shot("overview")
	b.open("/audit")
	b.wait("the logins in the audit log", `['vera', 'otto'].every((n) => document.querySelector('tbody').textContent.includes(n))`)
	b.sound("audit, with tokens")
}
