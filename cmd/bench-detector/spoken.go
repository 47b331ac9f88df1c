package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"

	"resetrig/pcm"
)

// voices are espeak-ng's, and what each says comes from texts.
var (
	voices = []string{"en", "en-us+f3", "de", "fr", "es+m4", "it+f2", "pl", "nl+m7", "pt", "sv+f4", "ru", "tr"}
	texts  = []string{
		"The recorder in the second rack has been reset, and now we wait for its long beep before anything else is switched.",
		"One, two, three, four, five, six, seven, eight, nine, ten. Please put the box over there, next to the other seven.",
		"Did you see who left the door open? It will be cold in here all afternoon, and the fans are loud enough as it is.",
		"Aaah. Oooh. Eeee. Mmmm. No, no, no! That one is mine. Sixteen channels, eight disks, and not a single free port.",
	}
)

// spoken is real speech, where a synthesiser of it is installed.
func (b *bench) spoken() error {
	b.line("")
	if _, err := exec.LookPath("espeak-ng"); err != nil {
		b.line("espeak-ng is not installed: no real speech.")
		return nil
	}
	var e *ears
	seconds := 0.0
	for i := 0; seconds < 3600*min(b.hours, b.speech); i++ {
		voice, text := voices[i%len(voices)], texts[i/len(voices)%len(texts)]
		speed, pitch := 110+15*(i%9), 20+11*(i%7)
		wav, err := exec.Command("espeak-ng", "--stdout", "-v", voice, "-s", fmt.Sprint(speed), "-p", fmt.Sprint(pitch), text).Output()
		if err != nil {
			return fmt.Errorf("espeak-ng -v %s: %w", voice, err)
		}
		x, sampleRate, err := samples(wav)
		if err != nil {
			return fmt.Errorf("what espeak-ng -v %s made: %w", voice, err)
		}
		if e == nil {
			if e, err = newEars(sampleRate); err != nil {
				return err
			}
		}
		e.hear(x)
		seconds += float64(len(x)) / float64(sampleRate)
	}
	if e == nil {
		return nil
	}
	b.line("Real speech by espeak-ng, %d voices:", len(voices))
	for k := range e.tail {
		t := &e.tail[k]
		t.hours = seconds / 3600
		t.close()
		b.line("- profile %s: %.2g h, %d long, %d short.", earNames[k], t.hours, t.long, t.short)
	}
	b.want(e.tail[1].long == 0, "real speech with the frequency known: %d false long beeps", e.tail[1].long)
	return nil
}

// samples are those of a WAV file.
func samples(wav []byte) ([]float32, int, error) {
	r, err := pcm.OpenWAV(bytes.NewReader(wav))
	if err != nil {
		return nil, 0, err
	}
	var x []float32
	block := make([]float32, 4096)
	for {
		n, err := r.ReadBlock(block)
		x = append(x, block[:n]...)
		if errors.Is(err, io.EOF) {
			return x, r.Rate(), nil
		}
		if err != nil {
			return nil, 0, err
		}
	}
}
