package main

import "testing"

func TestChannels(t *testing.T) {
	for text, want := range map[string]string{"0": "0", "3": "3", "0,1": "0 1", "2, 0": "2 0", "": "", "a": "", "-1": "", "0,0": "", "0,": "", "1000": ""} {
		var c channels
		if err := c.Set(text); (err != nil) != (want == "") || err == nil && c.String() != want {
			t.Errorf("%q: %v, %v; want %q", text, c, err, want)
		}
	}
}
