package main

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"resetrig/pcm"
	"resetrig/report"
	"resetrig/rig"
)

// clipMost is the longest piece of a cycle's sound that a page embeds, and
// pictureMost the greatest picture.
const (
	clipMost    = 25 * time.Second
	pictureMost = 2 << 20
)

// evidence finds what cycles left in the state folder.
type evidence struct{ state string }

// Show is the cycle's picture, and its sound from before the power came on in
// the act until after the release. What is no longer there is left out: it may
// have been moved to an archive.
func (e evidence) Show(r rig.Record) (s report.Shown, err error) {
	if r.ID != filepath.Base(r.ID) || !filepath.IsLocal(r.ID) {
		return s, errors.New("the record's ID is no name of a folder")
	}
	if r.Sound == nil || r.Sound.File != filepath.Base(r.Sound.File) {
		return s, nil
	}
	dir := filepath.Join(e.state, "artifacts", r.ID)
	if picture := pictureOf(r.Sound.File); slices.Contains(r.Artifacts, picture) {
		if s.Picture, err = readAtMost(filepath.Join(dir, picture), pictureMost); err != nil {
			return s, err
		}
	}
	s.SoundFrom, s.SoundTo = clip(r)
	s.Sound, err = cutWAV(filepath.Join(dir, r.Sound.File), s.SoundFrom-r.Sound.From, s.SoundTo-r.Sound.From)
	return s, err
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

// readAtMost reads a file; one that is not there is empty.
func readAtMost(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		data, err = nil, errors.New(name+" is too large for a page")
	}
	return data, errors.Join(err, f.Close())
}

// cutWAV is a piece of a WAV file as a WAV file; nil where there is no such
// file or nothing in the piece.
func cutWAV(name string, from, to time.Duration) (data []byte, err error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
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
