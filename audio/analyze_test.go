package audio_test

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

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
	if d := c.Doubts(); len(d) != 0 {
		t.Errorf("doubts %q", d)
	}
	// 3100 Hz ±2.5 % is 155 Hz: 22 dB over the density, which 24 kHz hold 43.8 of.
	if math.Abs(c.NoiseBandDBFS-(c.LevelDBFS-c.SNRdB-43.8+21.9)) > 0.2 || len(c.HarmonicsDB) != 1 || math.Abs(c.HarmonicsDB[0]+18.4) > 0.3 {
		t.Errorf("noise in the band %.1f dBFS, harmonics %v", c.NoiseBandDBFS, c.HarmonicsDB)
	}
	if th := c.Thresholds; th.PitchPercent != 2.5 || th.FalseAlarmEvery != 30*24*time.Hour || math.Abs(th.EnergyDB-14.3) > 0.3 {
		t.Errorf("thresholds %+v", th)
	}
	for name, bad := range map[string]struct {
		build func(r *synth.Room)
		says  []string
	}{
		"one": {func(r *synth.Room) { office(r); r.Add(beepAt(r, 2, 1.5, -25)) }, []string{"1 beeps only"}},
		"a neighbour's": {func(r *synth.Room) {
			three(r)
			r.Add(synth.Piezo(r.Samples(13), r.Samples(1.5), 3112, -47))
		}, []string{"1 weaker beeps were left out"}},
		"levels differ": {func(r *synth.Room) {
			three(r)
			r.Add(beepAt(r, 13, 1.5, -20))
		}, []string{"levels differ by 5.0 dB"}},
		"another unit, longer": {func(r *synth.Room) {
			three(r)
			r.Add(synth.Piezo(r.Samples(13), r.Samples(2.5), 3120, -25))
		}, []string{"frequencies differ by 20.0 Hz", "lengths differ by 1.00 s"}},
		"drowned": {func(r *synth.Room) {
			r.SetNoise(synth.NoiseSpec{White: -12.3})
			for i := range 3 {
				r.Add(beepAt(r, 2+4*float64(i), 1.5, -25))
			}
		}, []string{"above what can just be heard"}},
	} {
		c, err := audio.Calibrate(&recording{x: scene(18, 1, bad.build)}, 0)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := strings.Join(c.Doubts(), "\n")
		for _, want := range bad.says {
			if !strings.Contains(got, want) {
				t.Errorf("%s: doubts %q, want %q", name, got, want)
			}
		}
		if len(c.Doubts()) != len(bad.says) {
			t.Errorf("%s: doubts %q, want %d", name, got, len(bad.says))
		}
	}
	weak := func(r *synth.Room) {
		r.SetNoise(synth.NoiseSpec{White: -6})
		r.Add(beepAt(r, 2, 2, -25))
	}
	if _, err := audio.Calibrate(&recording{x: scene(6, 1, weak)}, 3100); !errors.Is(err, audio.ErrNoBeep) || !strings.Contains(err.Error(), "hardly over the noise") {
		t.Errorf("a beep of 20 dB-Hz: error %v", err)
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
