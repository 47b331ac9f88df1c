package main

import (
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestSixPages: a browser keeps six connections to a server without TLS, and each
// open page's stream takes one. However many are open, a button of the last one
// reaches the rig.
func TestSixPages(t *testing.T) {
	browser(t)
	_, at := serveUp(t, filepath.Join(t.TempDir(), "state"), "127.0.0.1:0")
	b := openTab(t, at)
	b.open("/live/simulated")
	b.wait("the stream", `document.body.dataset.stream === 'open'`)
	for range 5 {
		ctx, closeTab := chromedp.NewContext(b.ctx)
		t.Cleanup(closeTab)
		b = &tab{t: t, ctx: ctx, base: at, dir: b.dir, hosts: map[string]bool{}}
		b.open("/live/simulated")
		b.wait("the stream", `document.body.dataset.stream === 'open'`)
	}
	b.press(`form[action="/act/emergency"] button`)
	b.wait("an answer", `document.querySelector('#said .saying')`)
}
