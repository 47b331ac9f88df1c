package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"time"

	"resetrig/audio"
	"resetrig/pcm"
	"resetrig/report"
	"resetrig/rig"
	"resetrig/store"
)

// clipMost is the longest piece of a cycle's sound that a page embeds, and
// pictureMost the greatest picture.
const (
	clipMost    = 25 * time.Second
	pictureMost = 2 << 20
)

// evidence finds what cycles left.
type evidence struct {
	// open opens a file of a cycle; nil where it is not there any more: it was
	// dropped to make room, or moved to an archive.
	open func(cycle, name string) (io.ReadSeekCloser, error)
	// draw makes the picture of a cycle's sound anew.
	draw func(r rig.Record, sound io.Reader) ([]byte, error)
}

// evidenceIn is the evidence beside a database, for as long as ctx lives.
func evidenceIn(ctx context.Context, db *store.Store) evidence {
	return evidence{
		open: func(cycle, name string) (io.ReadSeekCloser, error) {
			f, _, err := openArtifact(ctx, db, cycle, name)
			if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrDropped) {
				return nil, nil
			}
			return f, err
		},
		draw: func(r rig.Record, sound io.Reader) ([]byte, error) {
			w, err := pcm.OpenWAV(bufio.NewReader(sound))
			if err != nil {
				return nil, err
			}
			p := audio.Picture{Title: titleOf(r), From: r.Sound.From.Seconds()}
			for _, b := range r.Beeps {
				if b.Kind == "long" {
					p.Profile.FrequencyHz = b.FrequencyHz
				}
			}
			var out bytes.Buffer
			err = p.Draw(&out, stoppable{w, ctx})
			return out.Bytes(), err
		},
	}
}

// artifactInfo is what is known of a file of evidence.
type artifactInfo struct {
	Name     string
	Bytes    int64
	SHA256   string // "" of a cycle that an older program booked
	Modified time.Time
}

// openArtifact opens a file of a cycle's evidence, wherever it lies. Both names
// may come from anywhere: what is no name of a file is store.ErrNotFound. The
// caller closes it.
func openArtifact(ctx context.Context, db *store.Store, cycle, name string) (io.ReadSeekCloser, artifactInfo, error) {
	f, a, err := db.OpenArtifact(ctx, cycle, name)
	if err != nil {
		return nil, artifactInfo{}, err
	}
	fi, err := f.Stat()
	if err != nil {
		return nil, artifactInfo{}, errors.Join(err, f.Close())
	}
	return f, artifactInfo{Name: name, Bytes: fi.Size(), SHA256: a.SHA256, Modified: fi.ModTime()}, nil
}

// Show is the cycle's picture, and its sound from before the power came on in
// the act until after the release. What is no longer there is left out.
func (e evidence) Show(r rig.Record) (s report.Shown, err error) {
	if r.ID != filepath.Base(r.ID) || !filepath.IsLocal(r.ID) {
		return s, errors.New("the record's ID is no name of a folder")
	}
	if r.Sound == nil || r.Sound.File != filepath.Base(r.Sound.File) {
		return s, nil
	}
	if picture := pictureOf(r.Sound.File); slices.Contains(r.Artifacts, picture) {
		if s.Picture, err = e.picture(r, picture); err != nil {
			return s, err
		}
	}
	s.SoundFrom, s.SoundTo = clip(r)
	f, err := e.open(r.ID, r.Sound.File)
	if f == nil || err != nil {
		return s, err
	}
	s.Sound, err = cutWAV(f, s.SoundFrom-r.Sound.From, s.SoundTo-r.Sound.From)
	return s, errors.Join(err, f.Close())
}

// picture is the cycle's picture, drawn again where the program died before it
// was drawn.
func (e evidence) picture(r rig.Record, name string) ([]byte, error) {
	f, err := e.open(r.ID, name)
	if err != nil {
		return nil, err
	}
	if f != nil {
		data, err := readAtMost(f, pictureMost)
		return data, errors.Join(err, f.Close())
	}
	sound, err := e.open(r.ID, r.Sound.File)
	if sound == nil || err != nil {
		return nil, err
	}
	data, err := e.draw(r, sound)
	return data, errors.Join(err, sound.Close())
}

// clip is which piece of a cycle's sound is worth hearing: from before the last
// switching on of the act, which is the power after the press, to after the
// release.
func clip(r rig.Record) (from, to time.Duration) {
	from, to = r.Sound.From, r.Sound.To
	act := false
	for _, e := range r.Timeline {
		switch {
		case e.Kind == "phase":
			act = e.Name == "act"
		case act && e.Kind == "relay" && e.On:
			from = max(r.Sound.From, e.At-time.Second)
		case act && e.Kind == "relay":
			to = min(r.Sound.To, e.At+2*time.Second)
		}
	}
	if to <= from {
		from, to = r.Sound.From, r.Sound.To
	}
	return from, min(to, from+clipMost)
}

// readAtMost reads a file that a page can hold.
func readAtMost(f io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		return nil, errors.New("the picture is too large for a page")
	}
	return data, err
}

// cutWAV is a piece of a WAV file as a WAV file; nil where there is nothing in
// the piece.
func cutWAV(f io.Reader, from, to time.Duration) (data []byte, err error) {
	r, err := pcm.OpenWAV(bufio.NewReader(f))
	if err != nil {
		return nil, err
	}
	at := func(d time.Duration) int64 { return int64(d.Seconds() * float64(r.Rate())) }
	var out memoryFile
	w, err := pcm.NewWAVWriter(&out, r.Rate())
	if err != nil {
		return nil, err
	}
	buf := make([]float32, 4096)
	for pos := int64(0); pos < at(to); {
		n, err := r.ReadBlock(buf)
		lo, hi := max(0, at(from)-pos), min(int64(n), at(to)-pos)
		if lo < hi {
			if err := w.Write(buf[lo:hi]); err != nil {
				return nil, err
			}
		}
		if pos += int64(n); err != nil || n == 0 {
			break // its end, or where a dead recorder left it
		}
	}
	if w.Samples() == 0 {
		return nil, nil
	}
	return out.data, w.Close()
}

// memoryFile is a file in memory.
type memoryFile struct {
	data []byte
	at   int
}

func (m *memoryFile) Write(p []byte) (int, error) {
	if need := m.at + len(p); need > len(m.data) {
		m.data = append(m.data, make([]byte, need-len(m.data))...)
	}
	m.at += copy(m.data[m.at:], p)
	return len(p), nil
}

func (m *memoryFile) Seek(offset int64, whence int) (int64, error) {
	base := map[int]int64{io.SeekStart: 0, io.SeekCurrent: int64(m.at), io.SeekEnd: int64(len(m.data))}[whence]
	if base+offset < 0 || base+offset > int64(len(m.data)) {
		return 0, errors.New("outside the file")
	}
	m.at = int(base + offset)
	return base + offset, nil
}
