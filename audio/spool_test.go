package audio_test

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"resetrig/audio"
	"resetrig/pcm"
)

// steps is a block whose samples rise by one 16 bit step each.
func steps(start int64, n int, at time.Time) pcm.Block {
	b := pcm.Block{Start: start, Time: at, Rate: fakeRate, Samples: make([]float32, n)}
	for i := range b.Samples {
		b.Samples[i] = float32((start+int64(i))%30000+1) / 32768
	}
	return b
}

func readWAV(t *testing.T, path string) []float32 {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcm.OpenWAV(f)
	if err != nil {
		t.Fatal(err)
	}
	var all []float32
	buf := make([]float32, 4096)
	for {
		n, err := r.ReadBlock(buf)
		all = append(all, buf[:n]...)
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestSpool(t *testing.T) {
	dir := t.TempDir()
	s, err := audio.CreateSpool(filepath.Join(dir, "cycle.wav"), fakeRate)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := audio.CreateSpool(s.Path(), fakeRate); !errors.Is(err, fs.ErrExist) {
		t.Errorf("evidence would be overwritten: %v", err)
	}
	if err := s.Clip(filepath.Join(dir, "none.wav"), time.Time{}, time.Now()); err == nil {
		t.Error("a clip of nothing")
	}
	// Numbers begin anywhere; 4800 samples are lost in the middle.
	t0 := time.Unix(1000, 0)
	at := func(n int64) time.Time { return t0.Add(time.Duration(n) * time.Second / fakeRate) }
	for n := int64(0); n < 96000; n += 960 {
		if n >= 48000 && n < 52800 {
			continue
		}
		if err := s.Write(steps(7000+n, 960, at(n))); err != nil {
			t.Fatal(err)
		}
		if n == 47040 { // the process is killed here
			if got := readWAV(t, s.Path()); len(got) != 48000 {
				t.Errorf("%d samples read back while it is written", len(got))
			}
		}
	}
	clip := filepath.Join(dir, "clip.wav")
	if err := s.Clip(clip, at(47000), at(54000)); err != nil {
		t.Fatal(err)
	}
	if err := s.Clip(filepath.Join(dir, "wide.wav"), at(-9999), at(999999)); err != nil {
		t.Fatal(err)
	}
	if err := s.Clip(filepath.Join(dir, "after.wav"), at(200000), at(300000)); err == nil {
		t.Error("a clip from after the end")
	}
	if err := s.Close(true); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(true); err != nil {
		t.Fatal("twice:", err)
	}
	whole := readWAV(t, s.Path())
	if len(whole) != 96000 {
		t.Fatalf("%d samples, want 96000", len(whole))
	}
	for i, v := range whole {
		want := float32((7000+i)%30000+1) / 32768
		if i >= 48000 && i < 52800 {
			want = 0
		}
		if v != want {
			t.Fatalf("sample %d is %g, want %g", i, v, want)
		}
	}
	got := readWAV(t, clip)
	if len(got) != 7000 {
		t.Fatalf("the clip has %d samples, want 7000", len(got))
	}
	for i, v := range got {
		if v != whole[47000+i] {
			t.Fatalf("sample %d of the clip is %g, want %g", i, v, whole[47000+i])
		}
	}
	if wide := readWAV(t, filepath.Join(dir, "wide.wav")); len(wide) != 96000 {
		t.Errorf("the wide clip has %d samples", len(wide))
	}
	left, _ := filepath.Glob(filepath.Join(dir, ".*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// The place of a moment follows the device's drifting clock.
func TestSpoolFollowsDrift(t *testing.T) {
	dir := t.TempDir()
	s, err := audio.CreateSpool(filepath.Join(dir, "cycle.wav"), fakeRate)
	if err != nil {
		t.Fatal(err)
	}
	t0 := time.Unix(1000, 0)
	const ppm = 500
	at := func(n int64) time.Time {
		return t0.Add(time.Duration(float64(n) / fakeRate * (1 + ppm/1e6) * 1e9))
	}
	for n := int64(0); n < 60*fakeRate; n += 48000 {
		if err := s.Write(steps(n, 48000, at(n))); err != nil {
			t.Fatal(err)
		}
	}
	clip := filepath.Join(dir, "clip.wav")
	const mid = 55*fakeRate + 123
	if err := s.Clip(clip, at(mid), at(mid+1000)); err != nil {
		t.Fatal(err)
	}
	got := int64(math.Round(float64(readWAV(t, clip)[0]) * 32768))
	// 500 ppm of the 10 s between two marks are 240 samples, of 55 s 1320.
	if off := got - 1 - mid%30000; off < -250 || off > 250 {
		t.Errorf("the clip begins %d samples off", off)
	}
	if err := s.Close(false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Path()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was not to be kept: %v", err)
	}
}

func TestSpoolOfANewCapture(t *testing.T) {
	s, err := audio.CreateSpool(filepath.Join(t.TempDir(), "cycle.wav"), fakeRate)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Write(steps(0, 960, time.Unix(0, 0))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Write(steps(1<<40, 960, time.Unix(0, 0))); err == nil {
		t.Error("an absurd gap would fill the disk")
	}
	if err := s.Close(true); err != nil {
		t.Fatal(err)
	}
	if got := readWAV(t, s.Path()); len(got) != 1920 {
		t.Errorf("%d samples", len(got))
	}
}

func TestSpoolOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	cmd := childCommand(t, "full-disk", dir)
	out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"file too large", "listening goes on", "told 1 remembered true close <nil>"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if got := readWAV(t, filepath.Join(dir, "full.wav")); len(got) != (100_000-44)/2 {
		t.Errorf("%d samples read back", len(got))
	}
}
