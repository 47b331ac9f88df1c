package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"resetrig/nvr"
	"resetrig/report"
	"resetrig/rig"
	"resetrig/store"
)

// What must be in no artifact, log or result, whatever the protocol calls it:
// answers to challenges, cookies, sessions that one could go on with.
var credentials = []*regexp.Regexp{
	regexp.MustCompile(`(?i)response=\\?"[0-9a-f]{16,}`),
	regexp.MustCompile(`(?i)authorization\\?":\s*\\?"[^*"]{8,}`),
	regexp.MustCompile(`(?i)"name":"(?:authorization|cookie|set-cookie)","value":"[^*"]`),
	regexp.MustCompile(`(?i)\\"session\\":\s*(?:[1-9]|\\"[^*])`),
	regexp.MustCompile(`(?i)\\"password\\":\s*\\"[^*\\]`),
	regexp.MustCompile(`(?i)<[a-z:]*(?:password|nonce)[^>]*>[^*<]`),
}

// No password, digest, cookie or session is in what a cycle leaves behind: its
// evidence, the store, the log, the reports. The vault alone has the passwords.
func TestNoSecretLeaves(t *testing.T) {
	for _, u := range unitsOfEveryDialect {
		t.Run(u.name, func(t *testing.T) {
			var logged bytes.Buffer
			a := testApp(t)
			a.log = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
			db, err := a.openStore(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			cfg, model := u.bench(t, nil, "reset-partial-config")
			w, err := a.wire(cfg, model, parts{relays: true, senses: true, ear: true, accounts: db})
			if err != nil {
				t.Fatal(err)
			}
			defer w.close()
			sc, err := loadScenario("imou-hard-reset", nil)
			if err != nil {
				t.Fatal(err)
			}
			run := store.Run{ID: "r", Kind: store.KindSoak, Bench: cfg.Name, Scenario: sc.Name, Planned: 1, Started: time.Now(), Version: version}
			if err := db.BeginRun(t.Context(), run); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			var rec rig.Record
			err = w.bench.Arm(t.Context(), func(ctx context.Context, armed *rig.Armed) error {
				w.before(1, 1)
				if err := db.BeginCycle(ctx, store.Cycle{ID: "c", Run: "r", N: 1, Attempt: 1, Scenario: sc.Name, Started: time.Now()}); err != nil {
					return err
				}
				rec = w.bench.Cycle(ctx, armed, sc, rig.CycleSpec{ID: "c", Run: "r", Cycle: 1, Attempt: 1, Dir: dir})
				return db.Commit(ctx, rec)
			})
			if err != nil {
				t.Fatal(err)
			}
			if rec.Outcome == rig.Pass {
				t.Fatal("the cycle passed, and passes leave no evidence")
			}

			var secrets []string
			for _, key := range []string{"serial:" + w.bench.Identity.Serial, "mac:" + strings.ReplaceAll(w.bench.Identity.MAC, ":", ""), "serial:" + rec.DUT.Serial, "mac:" + strings.ReplaceAll(rec.DUT.MAC, ":", ""), "url:" + w.device.URL()} {
				logins, err := db.Recall(key)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range logins {
					if p := c.Password.Reveal(); len(p) >= 8 && !slices.Contains(secrets, p) {
						secrets = append(secrets, p)
					}
				}
			}
			if len(secrets) == 0 {
				t.Fatalf("no password of this cycle is known: nothing could be found (%s, %+v)", verdictLine(rec), rec.DUT)
			}

			left := map[string][]byte{"log": logged.Bytes()}
			js, err := json.Marshal(rec)
			if err != nil {
				t.Fatal(err)
			}
			left["record"] = js
			var text bytes.Buffer
			if err := report.Cycle(&text, rec); err != nil {
				t.Fatal(err)
			}
			left["report"] = text.Bytes()
			for _, folder := range []string{dir, a.state} {
				err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
					if err != nil || d.IsDir() {
						if d != nil && strings.HasSuffix(d.Name(), ".vault") {
							return filepath.SkipDir
						}
						return err
					}
					b, err := os.ReadFile(path)
					left[d.Name()] = b
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if _, ok := left["cycle.har"]; !ok || !bytes.Contains(left["cycle.har"], []byte(`"entries":[`)) {
				t.Errorf("no transcript among %v", keysOf(left))
			}
			for name, b := range left {
				for _, s := range secrets {
					if bytes.Contains(b, []byte(s)) {
						t.Errorf("%s holds a password", name)
					}
				}
				for _, re := range credentials {
					if m := re.Find(b); m != nil {
						t.Errorf("%s holds %q", name, m)
					}
				}
			}
		})
	}
}

func keysOf(m map[string][]byte) []string {
	var k []string
	for name := range m {
		k = append(k, name)
	}
	return k
}

var _ nvr.Trust = (*store.Store)(nil)
