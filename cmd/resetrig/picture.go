package main

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"

	"resetrig/audio"
	"resetrig/pcm"
)

// A cycle's sound, and the picture that is drawn of it.
const (
	sound   = "cycle.wav"
	picture = "cycle.png"
)

// drawSound draws the spectrogram of a cycle's sound beside it.
func drawSound(dir string, p audio.Profile) (err error) {
	f, err := os.Open(filepath.Join(dir, sound))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r, err := pcm.OpenWAV(bufio.NewReader(f))
	if err != nil {
		return err
	}
	return audio.Picture{Profile: p}.DrawFile(filepath.Join(dir, picture), r)
}
