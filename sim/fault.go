package sim

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
)

// Fault is a fault that may befall a cycle.
type Fault struct {
	Name        string
	Probability float64 // of being active in a cycle: 0 to 1
}

// FaultInfo describes a fault.
type FaultInfo struct {
	Name  string `json:"name"`
	Of    string `json:"of"`    // device, rig, or quirk: a thing that units do and that is no failure
	About string `json:"about"` // one sentence
}

// The faults by name.
const (
	noBeep               = "no-beep"
	resetIgnored         = "reset-ignored"
	resetPartial         = "reset-partial"
	resetPartialPassword = "reset-partial-password"
	resetPartialConfig   = "reset-partial-config"
	resetsOnPowerOn      = "resets-on-power-on"
	defaultReverts       = "default-reverts"
	defaultRevertsCycle  = "default-reverts-on-power-cycle"
	oldStateThenReboot   = "old-state-then-reboot"
	bootsForever         = "boots-forever"
	deadAfterReset       = "dead-after-reset"
	slowBoot             = "slow-boot"
	httpHangs            = "http-hangs"
	httpGarbage          = "http-garbage"
	refusedWrite         = "refused-write"
	staleNonce           = "stale-nonce"
	lockedOut            = "lockout"
	wrongFirmware        = "wrong-firmware"
	wrongUnit            = "wrong-unit"
	addressMoved         = "address-moved"
	powerWelded          = "power-welded"
	powerOpen            = "power-open"
	resetOpen            = "reset-open"
	resetWelded          = "reset-welded"
	micDead              = "mic-dead"
	micClipped           = "mic-clipped"
	micUnplugged         = "mic-unplugged"
	micGain              = "mic-gain"
	micDropouts          = "mic-dropouts"
	networkDown          = "network-down"
	neighbourBeep        = "neighbour-beep"
	noDiskAlarm          = "no-disk-alarm"
	resetRefused         = "reset-refused"
	rebootMissing        = "reboot-missing"
	frozenAtLogo         = "frozen-at-logo"
	activationLost       = "activation-lost"
	extraPort            = "extra-port"
)

// Faults are all faults that a World can have. The act of a cycle begins with
// the first power off after BeginCycle, or with the command of a factory
// reset, or with BeginAct.
func Faults() []FaultInfo {
	list := []FaultInfo{
		{noBeep, "device", "The reset is taken without a sound."},
		{resetIgnored, "device", "From the act's first power-on the unit boots normally although the pins are shorted, and answers a reset command without resetting."},
		{resetPartial, "device", "The reset does only half: the password or the configuration, by the seed."},
		{resetPartialPassword, "device", "The reset takes the users and the password and keeps the configuration."},
		{resetPartialConfig, "device", "The reset takes the configuration and keeps the users and the password."},
		{resetsOnPowerOn, "device", "At the act's first power-on the unit wipes itself silently, pressed or not, and boots."},
		{defaultReverts, "device", "After the reset it boots into the default state, and 5 to 15 s after it became ready the old state is back."},
		{defaultRevertsCycle, "device", "The first power-on after the reset's restart brings the old state back."},
		{oldStateThenReboot, "device", "After the reset it answers in the old state for about 8 s, then restarts by itself and is in the default state."},
		{bootsForever, "device", "From the act's first power-on it restarts again and again and is never up for more than 6 s."},
		{deadAfterReset, "device", "After the reset was taken it never starts again."},
		{slowBoot, "device", "From the act's first power-on each boot takes ten minutes more than the model's."},
		{httpHangs, "device", "From the act's first power-on it accepts connections and never answers."},
		{httpGarbage, "device", "From the act's first power-on it answers requests with nonsense."},
		{refusedWrite, "device", "Configuration and passwords cannot be written: 200 with the body Error, from the start of the cycle."},
		{staleNonce, "quirk", "A nonce that was used before is answered with 403."},
		{lockedOut, "quirk", "All logins are locked for the whole cycle, the right password included."},
		{wrongFirmware, "device", "From the act's first power-on it reports another firmware version."},
		{wrongUnit, "rig", "From the act's first power-on another unit, in its default state, answers at the address."},
		{addressMoved, "quirk", "After the reset the unit is at another address, which only discovery finds."},
		{powerWelded, "rig", "From the next power off on the power contact stays closed."},
		{powerOpen, "rig", "From the next power on after an off the power contact stays open."},
		{resetOpen, "rig", "The reset contact never closes."},
		{resetWelded, "rig", "The reset contact stays closed after its first press."},
		{micDead, "rig", "The microphone delivers zeros."},
		{micClipped, "rig", "The microphone's gain is so high that the noise clips."},
		{micGain, "rig", "The microphone's automatic gain turns down what is loud, by up to 10 dB within 100 ms."},
		{micDropouts, "rig", "Buffers of 10 to 45 ms are lost: every 2 to 4 s there are zeros, in beeps too."},
		{micUnplugged, "rig", "Capture fails some seconds into the act and cannot be opened again in this cycle."},
		{networkDown, "rig", "From the act on nothing reaches the unit."},
		{neighbourBeep, "rig", "Another bench's long beep, 20 to 25 dB weaker, sounds at the wrong times and around the end of the hold."},
		{noDiskAlarm, "quirk", "Without a disk the unit repeats an alarm of 0.15 to 0.8 s as long as it is up."},
		{resetRefused, "device", "The command of a reset is refused with an error, from the start of the cycle."},
		{rebootMissing, "device", "The command of a reset is answered and done at once, without a restart."},
		{frozenAtLogo, "device", "After the reset it starts, hums, and never comes onto the network."},
		{activationLost, "device", "The password that an uninitialised unit was given is gone with its next start."},
		{extraPort, "device", "After the reset the TCP port 23 is open."},
	}
	for _, h := range hostileAnswers {
		if h.name != httpHangs && h.name != httpGarbage {
			list = append(list, FaultInfo{h.name, "device", "From the act's first power-on: " + h.about})
		}
	}
	return list
}

// checkFaults refuses unknown names and impossible probabilities.
func checkFaults(faults []Fault) error {
	var names []string
	for _, f := range Faults() {
		names = append(names, f.Name)
	}
	for _, f := range faults {
		known := false
		for _, n := range names {
			known = known || n == f.Name
		}
		if !known {
			return unknown("fault", f.Name, names)
		}
		if !(f.Probability >= 0 && f.Probability <= 1) {
			return fmt.Errorf("simulated fault %q: probability %v: want 0 to 1", f.Name, f.Probability)
		}
	}
	return nil
}

// draw decides which faults are active in cycle n: by seed, n and each fault's
// name alone, so that one more in the list changes nothing of the others.
func draw(faults []Fault, seed uint64, n int) map[string]bool {
	active := map[string]bool{}
	for _, f := range faults {
		h := fnv.New64a()
		h.Write([]byte(f.Name))
		r := rand.New(rand.NewPCG(seed^h.Sum64(), uint64(n)))
		if r.Float64() < f.Probability {
			active[f.Name] = true
		}
	}
	if active[resetPartial] {
		r := rand.New(rand.NewPCG(seed^0x68616c66, uint64(n)))
		if r.IntN(2) == 0 {
			active[resetPartialPassword] = true
		} else {
			active[resetPartialConfig] = true
		}
	}
	return active
}
