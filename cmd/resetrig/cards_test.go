package main

import (
	"testing"

	"resetrig/audio"
	"resetrig/config"
)

// Two benches on two channels of one card are captured by one process; a third
// on a card of its own is not; and a channel is no two benches'.
func TestBenchesShareASoundCard(t *testing.T) {
	t.Setenv("RESETRIG_MIC", "/bin/true") // found, and never started
	bench := func(name, device string, channel int) *config.Bench {
		b := benchWith(t, name, "CARD"+name, "CARDPIN"+name)
		b.Ear = &config.Ear{Device: device, Channel: channel}
		return b
	}
	left, right, alone := bench("left", "USB PnP", 0), bench("right", "USB PnP", 1), bench("alone", "Blue Yeti", 1)
	a := testApp(t)
	model, err := loadModel(left.DUT)
	if err != nil {
		t.Fatal(err)
	}
	open := func(b *config.Bench) (*audio.Capture, error) {
		c, _, _, err := a.openEar(b, model, nil)
		return c, err
	}
	if err := a.sideBySide([]*config.Bench{left, right, alone}); err != nil {
		t.Fatal(err)
	}
	one, err := open(left)
	if err != nil {
		t.Fatal(err)
	}
	two, err := open(right)
	if err != nil {
		t.Fatal(err)
	}
	third, err := open(alone)
	if err != nil {
		t.Fatal(err)
	}
	if !one.SharesWith(two) || one.SharesWith(third) {
		t.Errorf("left and right share %v, left and the one alone %v", one.SharesWith(two), one.SharesWith(third))
	}
	if _, err := open(bench("edited", "USB PnP", 2)); err == nil {
		t.Error("a channel that the card's process does not send was opened")
	}
	if err := a.sideBySide([]*config.Bench{left, bench("twin", "USB PnP", 0)}); err == nil {
		t.Error("two benches have one microphone")
	}
}
