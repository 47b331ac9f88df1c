package need_test

import (
	"runtime"
	"testing"

	"resetrig/internal/need"
)

// recorder is a test that notes how it ends.
type recorder struct {
	testing.TB
	ended string
}

func (r *recorder) Helper()               {}
func (r *recorder) Fatalf(string, ...any) { r.ended = "failed"; runtime.Goexit() }
func (r *recorder) Skip(...any)           { r.ended = "skipped"; runtime.Goexit() }

func TestMissing(t *testing.T) {
	for required, want := range map[string]string{"": "skipped", "web": "skipped", "mic": "failed", "web,mic": "failed", "web mic": "failed", "all": "failed", "microphone": "skipped"} {
		t.Setenv("RESETRIG_REQUIRE", required)
		r := &recorder{TB: t}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			need.Missing(r, "mic", "there is none")
		}()
		if <-ended; r.ended != want {
			t.Errorf("RESETRIG_REQUIRE=%q: %q, want %s", required, r.ended, want)
		}
		r = &recorder{TB: t}
		ended = make(chan struct{})
		go func() {
			defer close(ended)
			if need.Tool(r, "mic", "sh") == "" || need.Tool(r, "mic", "no-such-program") != "" {
				t.Error("a program that is there was not found, or one that is not was")
			}
		}()
		if <-ended; r.ended != want {
			t.Errorf("a tool, RESETRIG_REQUIRE=%q: %q, want %s", required, r.ended, want)
		}
	}
}
