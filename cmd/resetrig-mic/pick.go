package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"resetrig/pcm"
)

// channels is a flag's list of channels: each once, counted from 0.
type channels []int

func (c *channels) String() string { return strings.Trim(fmt.Sprint(*c), "[]") }

// Set reads a list like 0,1.
func (c *channels) Set(text string) error {
	*c = nil
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n < 0 || n > pcm.MaxChannel {
			return fmt.Errorf("%q: channels are counted from 0 to %d", part, pcm.MaxChannel)
		}
		if slices.Contains(*c, n) {
			return fmt.Errorf("channel %d is named twice", n)
		}
		*c = append(*c, n)
	}
	return nil
}

// device is one input device, as --list prints it.
type device struct {
	Name     string  `json:"name"`
	HostAPI  string  `json:"host_api"`
	Channels int     `json:"channels"`
	Rate     float64 `json:"default_rate"`
}

// pick finds the one device that name means: the one that bears it exactly, or
// the only one whose name contains it in any case. An empty name means the only
// input device that there is.
func pick(all []device, name string) (int, error) {
	var exact, part []int
	for i, d := range all {
		if d.Name == name {
			exact = append(exact, i)
		}
		if strings.Contains(strings.ToLower(d.Name), strings.ToLower(name)) {
			part = append(part, i)
		}
	}
	switch {
	case len(exact) == 1:
		return exact[0], nil
	case len(part) == 1:
		return part[0], nil
	case len(all) == 0:
		return 0, fmt.Errorf("no input device: is the microphone plugged in, and is this user in the group audio?")
	case len(part) == 0:
		return 0, fmt.Errorf("no input device is called %q; there are: %s", name, names(all))
	case name == "":
		return 0, fmt.Errorf("name the input device; there are: %s", names(all))
	}
	found := make([]device, len(part))
	for i, k := range part {
		found[i] = all[k]
	}
	return 0, fmt.Errorf("%q means %d input devices, name one: %s", name, len(part), names(found))
}

func names(all []device) string {
	s := make([]string, len(all))
	for i, d := range all {
		s[i] = fmt.Sprintf("%q (%s, %d channels)", d.Name, d.HostAPI, d.Channels)
	}
	return strings.Join(s, ", ")
}
