package main

import (
	"strings"
	"testing"
)

func TestPick(t *testing.T) {
	usb1 := device{Name: "USB PnP Sound Device: Audio (hw:1,0)", HostAPI: "ALSA", Channels: 1, Rate: 44100}
	usb2 := device{Name: "USB PnP Sound Device: Audio (hw:2,0)", HostAPI: "ALSA", Channels: 1, Rate: 44100}
	def, sys := device{Name: "default"}, device{Name: "sysdefault"}
	for _, c := range []struct {
		name  string
		all   []device
		want  string
		found int
		err   string
	}{
		{"a part", []device{def, sys, usb1}, "usb pnp", 2, ""},
		{"exact wins", []device{sys, def}, "default", 1, ""},
		{"the address tells twins apart", []device{usb1, usb2}, "hw:2,0", 1, ""},
		{"twins", []device{usb1, usb2}, "USB PnP", 0, "means 2 input devices"},
		{"missing", []device{def, usb1}, "Blue Yeti", 0, `no input device is called "Blue Yeti"; there are: "default"`},
		{"none at all", nil, "USB", 0, "is the microphone plugged in"},
		{"no name, one device", []device{usb1}, "", 0, ""},
		{"no name, two devices", []device{usb1, def}, "", 0, "name the input device"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := pick(c.all, c.want)
			if c.err == "" && (err != nil || got != c.found) {
				t.Fatalf("got %d, %v; want %d", got, err, c.found)
			}
			if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Fatalf("got %d, %v; want the error %q", got, err, c.err)
			}
		})
	}
}
