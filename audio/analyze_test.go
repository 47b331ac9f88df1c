package audio_test

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"resetrig/audio"
	"resetrig/pcm"
	"resetrig/pcm/synth"
)

// recording is samples as a SampleReader.
type recording struct {
	x   []float32
	err error // in place of io.EOF
}

var _ audio.SampleReader = (*pcm.WAVReader)(nil)

func (r *recording) Rate() int { return rate }

func (r *recording) ReadBlock(dst []float32) (int, error) {
	if len(r.x) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		return 0, io.EOF
	}
	n := copy(dst, r.x)
	r.x = r.x[n:]
	return n, nil
}

func three(r *synth.Room) {
	office(r)
	for i := range 3 {
		r.Add(synth.Piezo(r.Samples(2+4*float64(i)), r.Samples(1.5), 3100, -25))
	}
	r.Add(synth.Chirp(rate, r.Samples(1), 3100, -25))
}

func TestAnalyze(t *testing.T) {
	s, err := audio.Analyze(&recording{x: scene(13, 1, three)}, audio.Profile{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(b), `{"summary":true,"duration_s":13,"beeps":4,"long":3}`; got != want {
		t.Errorf("summary %s, want %s", got, want)
	}
	if b, err = json.Marshal(s.Lines[1]); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{`"onset_s":2`, `"duration_s":1.`, `"frequency_hz":3100`, `"snr_db":`, `"kind":"long"`} {
		if !strings.Contains(string(b), key) {
			t.Errorf("no %s in %s", key, b)
		}
	}
	if s.Lines[0].Kind != "short" {
		t.Errorf("the first is %+v", s.Lines[0])
	}
	broken := errors.New("broken")
	if s, err = audio.Analyze(&recording{x: scene(5, 1, three), err: broken}, audio.Profile{}); !errors.Is(err, broken) || s.Long != 1 {
		t.Errorf("error %v, %d long", err, s.Long)
	}
	if _, err = audio.Analyze(&recording{}, audio.Profile{}); err != nil {
		t.Errorf("an empty recording: %v", err)
	}
}

func TestCalibrate(t *testing.T) {
	c, err := audio.Calibrate(&recording{x: scene(14, 1, three)}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(c.FrequencyHz-3100) > 0.2 || math.Abs(c.LevelDBFS+25) > 0.3 || math.Abs(c.LengthS-1.5) > 0.005 ||
		c.Beeps != 3 || math.Abs(c.NoiseDBFS+61) > 2 || c.ClippedPercent != 0 || c.FrequencySpreadHz > 0.2 || c.LevelSpreadDB > 0.3 {
		t.Errorf("%+v", c)
	}
	if p := c.Profile(); p.FrequencyHz != c.FrequencyHz || p.LevelDBFS != c.LevelDBFS {
		t.Errorf("profile %+v", p)
	}
	two := func(r *synth.Room) {
		three(r)
		r.Add(synth.Piezo(r.Samples(13), r.Samples(1.5), 2500, -30))
	}
	if _, err := audio.Calibrate(&recording{x: scene(16, 1, two)}, 0); !errors.Is(err, audio.ErrAmbiguous) {
		t.Errorf("error %v", err)
	}
	if c, err := audio.Calibrate(&recording{x: scene(16, 1, two)}, 2450); err != nil || math.Abs(c.FrequencyHz-2500) > 0.2 {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := audio.Calibrate(&recording{x: scene(5, 1, office)}, 0); !errors.Is(err, audio.ErrNoBeep) {
		t.Errorf("error %v", err)
	}
}
