package main

import (
	"slices"
	"strings"
	"testing"
)

// Pairs of faults, with all senses fitted. The table is written by hand like
// that of single faults, as an order: of two faults the earlier decides, because
// it bites first, or because the later can no longer show. pairExceptions are
// the pairs in which two faults make a third thing of each other.
//
// Faults of the microphone and of the sort that hostile answers are stand for
// their kind.
var pairOrder = []struct{ fault, want, old string }{
	// Before the act: nothing was tested.
	{"lockout", rigFault + "locked", rigFault + "login-unknown"},
	{"refused-write", rigFault + "marker-refused", ""},
	// The rig's, in the order in which the act meets them: the power goes off, the
	// microphone goes some seconds later, the pins are pressed, the power comes
	// back, the pins are released, and then the network is asked.
	{"mic-dead", rigFault + "ear-unfit", ""},
	{"power-welded", rigFault + "power-welded", ""},
	{"mic-unplugged", rigFault + "ear-lost", ""},
	{"reset-open", rigFault + "reset-open", ""},
	{"power-open", rigFault + "power-open", ""},
	{"reset-welded", rigFault + "reset-welded", ""},
	{"network-down", rigFault + "network-down", ""},
	{"wrong-unit", rigFault + "wrong-unit", ""},
	// The device's: first what keeps it from answering at all, then from
	// answering sense, then from staying up, then what its state shows.
	{"slow-boot", proven + "no-restart", ""},
	{"dead-after-reset", proven + "no-restart", ""},
	{"frozen-at-logo", proven + "no-restart", ""},
	{"http-hangs", proven + "no-answer", ""},
	{"http-garbage", proven + "garbage-after-reset", ""},
	{"boots-forever", proven + "unstable", ""},
	{"reset-ignored", proven + "reset-ignored", ""},
	{"default-reverts", proven + "default-reverted", proven + "reset-ignored"},
	{"reset-partial-password", proven + "reset-partial", ""},
	{"reset-partial-config", proven + "reset-partial", ""},
	{"wrong-firmware", proven + "firmware-mismatch", ""},
	{"extra-port", proven + "not-default", ""},
	// What the state shows tells more than what was heard.
	{"no-beep", proven + "beep-missing", ""},
	{"resets-on-power-on", proven + "beep-missing", ""},
	// No failures, alone or together.
	{"stale-nonce", pass, ""},
	{"address-moved", pass, ""},
	{"old-state-then-reboot", pass, ""},
	{"no-disk-alarm", pass, ""},
	{"neighbour-beep", pass, ""},
	{"activation-lost", pass, ""}, // of a unit that is reset afterwards
}

var pairExceptions = []struct {
	faults []string
	want   string
	only   string // generation
}{
	// The pins stay shorted when the cycle ends before its release.
	{[]string{"reset-welded", "power-open"}, rigFault + "safe-state-unreached", ""},
	// Nobody at all answers.
	{[]string{"wrong-unit", "slow-boot"}, proven + "no-restart", ""},
	{[]string{"wrong-unit", "dead-after-reset"}, proven + "no-restart", ""},
	{[]string{"wrong-unit", "frozen-at-logo"}, proven + "no-restart", ""},
	// What happens after a reset that was taken does not after one that was not.
	{[]string{"reset-ignored", "dead-after-reset"}, proven + "reset-ignored", ""},
	{[]string{"reset-ignored", "frozen-at-logo"}, proven + "reset-ignored", ""},
	{[]string{"resets-on-power-on", "dead-after-reset"}, proven + "beep-missing", ""},
	{[]string{"resets-on-power-on", "frozen-at-logo"}, proven + "beep-missing", ""},
	{[]string{"resets-on-power-on", "default-reverts"}, proven + "beep-missing", ""},
	// It wipes itself, pressed or not.
	{[]string{"resets-on-power-on", "reset-ignored"}, proven + "beep-missing", ""},
	// Each keeps what the other takes.
	{[]string{"reset-partial-password", "reset-partial-config"}, proven + "reset-ignored", ""},
	// It kept its account, so that it never showed itself uninitialised, and all came back.
	{[]string{"reset-partial-config", "default-reverts"}, proven + "reset-ignored", "new"},
	// The account is gone by itself, and the rest is there.
	{[]string{"activation-lost", "reset-ignored"}, proven + "reset-partial", "new"},
	{[]string{"activation-lost", "default-reverts"}, proven + "reset-partial", "new"},
	// Nonsense that reads like an answer counts as one, and then its going away as
	// an outage.
	{[]string{"http-garbage", "boots-forever"}, proven + "unstable", "old"},
	{[]string{"http-garbage", "old-state-then-reboot"}, proven + "unstable", "old"},
	// The one half was reset, the other is gone by itself: it is in its default state.
	{[]string{"activation-lost", "reset-partial-config"}, pass, "new"},
}

// wantOfPair is what two faults together must end in.
func wantOfPair(i, j int, generation string) string {
	for _, x := range pairExceptions {
		if slices.Contains(x.faults, pairOrder[i].fault) && slices.Contains(x.faults, pairOrder[j].fault) && (x.only == "" || x.only == generation) {
			return x.want
		}
	}
	first := pairOrder[min(i, j)]
	if generation == "old" && first.old != "" {
		return first.old
	}
	return first.want
}

func TestVerdictForPairsOfFaults(t *testing.T) {
	for _, generation := range []string{"new", "old"} {
		t.Run(generation, func(t *testing.T) {
			t.Parallel()
			for i, a := range pairOrder {
				for j := i + 1; j < len(pairOrder); j++ {
					b := pairOrder[j]
					t.Run(a.fault+"+"+b.fault, func(t *testing.T) {
						cfg, model := simBench(t, generation, fitted[4], strings.Join([]string{a.fault, b.fault}, "+"))
						compareVerdict(t, oneCycle(t, cfg, model, "imou-hard-reset"), wantOfPair(i, j, generation))
					})
				}
			}
		})
	}
}
