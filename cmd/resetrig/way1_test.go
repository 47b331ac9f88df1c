package main

import (
	"slices"
	"strings"
	"testing"

	"resetrig/rig"
)

// Way 1 over every dialect: what a reset that was commanded must end in. By hand,
// from the rules of a verdict: the command was accepted, so that no relay of the
// rig is a suspect.
func TestWayOneForEveryDialect(t *testing.T) {
	t.Parallel()
	tellUptime := []string{"imou-new", "imou-new-without-cgi", "dahua-new", "hikvision-new", "hikvision-old"}
	for _, u := range unitsOfEveryDialect {
		silentReset := rigFault + string(rig.ReasonRestartUnobservable)
		if slices.Contains(tellUptime, u.name) {
			silentReset = proven + "not-restarted"
		}
		wants := []struct{ scenario, fault, want string }{
			{"imou-soft-reset", "", pass},
			{"imou-soft-reset", "no-beep", pass}, // nobody listens for one
			{"imou-soft-reset", "reset-ignored", proven + "reset-ignored"},
			{"imou-soft-reset", "reset-refused", proven + "reset-refused"},
			{"imou-soft-reset", "reboot-missing", silentReset},
			{"imou-soft-reset", "reset-partial-password", proven + "reset-partial"},
			{"imou-soft-reset", "reset-partial-config", proven + "reset-partial"},
			{"imou-soft-reset", "wrong-firmware", proven + "firmware-mismatch"},
		}
		if u.name == "imou-new-without-cgi" {
			// Its CGI refuses the right password, and the model resets by CGI: the
			// rig cannot command it, and says how it could.
			wants = wants[:0]
		}
		switch {
		case strings.HasPrefix(u.name, "hikvision"):
			wants = append(wants, []struct{ scenario, fault, want string }{
				{"hikvision-soft-reset-basic", "", pass},
				{"hikvision-soft-reset-basic", "reset-ignored", proven + "reset-ignored"},
				{"hikvision-soft-reset-basic", "reset-refused", proven + "reset-refused"},
			}...)
		case u.name != "onvif": // which has no single functions
			wants = append(wants, []struct{ scenario, fault, want string }{
				{"imou-soft-reset-functions", "", pass},
				{"imou-soft-reset-functions", "reset-ignored", proven + "reset-ignored"},
			}...)
		}
		for _, c := range wants {
			t.Run(strings.Join([]string{u.name, c.scenario, firstOf(c.fault, "no-fault")}, "/"), func(t *testing.T) {
				cfg, model := u.bench(t, fitted[4], c.fault)
				compareVerdict(t, oneCycle(t, cfg, model, c.scenario), c.want)
			})
		}
	}
}
