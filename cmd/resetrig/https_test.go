package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"resetrig/models"
)

// A recorder behind TLS: its certificate is pinned, another one after the reset
// is another unit, unless the model says that a reset makes a new one.
func TestResetsOverTLS(t *testing.T) {
	t.Parallel()
	for _, u := range unitsOfEveryDialect {
		if len(u.quirks) > 0 {
			continue
		}
		for _, c := range []struct {
			name, scheme, want string
			quirks             []string
			changes            bool
		}{
			{"https", "https", pass, []string{"https"}, false},
			{"redirected to https", "http", pass, []string{"https-redirect"}, false},
			{"another certificate", "https", rigFault + "wrong-unit", []string{"https", "new-key-after-reset"}, false},
			{"another certificate, as the model says", "https", pass, []string{"https", "new-key-after-reset"}, true},
		} {
			t.Run(u.name+"/"+c.name, func(t *testing.T) {
				name := u.model
				if c.changes {
					data, err := models.Read(u.model)
					if err != nil {
						t.Fatal(err)
					}
					name = filepath.Join(t.TempDir(), "model.yaml")
					text := string(data)
					if strings.Contains(text, "\ntls:") {
						t.Fatal("the shipped model says something of tls already: mend this test")
					}
					if err := os.WriteFile(name, []byte(text+"\ntls: {certificate: changes-at-reset}\n"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				cfg, model := benchOf(t, name, u.sim, fitted[4], "")
				cfg.DUT.URL, cfg.Simulate.Quirks = c.scheme+"://192.168.1.50", c.quirks
				compareVerdict(t, oneCycle(t, cfg, model, "imou-hard-reset"), c.want)
			})
		}
	}
}
