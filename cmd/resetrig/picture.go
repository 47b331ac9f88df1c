package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"resetrig/audio"
	"resetrig/pcm"
	"resetrig/rig"
)

// pictures draws the sound of cycles when no bench waits for it: a picture takes
// seconds on a small computer, and lines are given back before.
type pictures struct {
	app     *app
	profile audio.Profile // what the ear waits for
	pending []pendingPicture
}

type pendingPicture struct {
	id, dir, file, title string
	from                 float64 // seconds of the cycle
}

// later notes the sound that a record has in dir, and gives the name of the
// picture that it will have, or "".
func (p *pictures) later(dir string, r rig.Record) string {
	if dir == "" || r.Sound == nil {
		return ""
	}
	title := fmt.Sprintf("%s  %s  %s", r.Bench, r.ID, strings.ToUpper(string(r.Outcome)))
	if r.Reason != "" {
		title += ": " + string(r.Reason)
	}
	p.pending = append(p.pending, pendingPicture{id: r.ID, dir: dir, file: r.Sound.File, title: title, from: r.Sound.From.Seconds()})
	return pictureOf(r.Sound.File)
}

// pictureOf is the name of a recording's picture.
func pictureOf(sound string) string { return strings.TrimSuffix(sound, filepath.Ext(sound)) + ".png" }

// draw draws what is pending, until ctx ends. A picture that fails costs nothing
// but itself.
func (p *pictures) draw(ctx context.Context) {
	for len(p.pending) > 0 {
		one := p.pending[0]
		err := rig.Guarded(func() error { return one.draw(ctx, p.profile) })
		if context.Cause(ctx) != nil {
			return // it is drawn when the bench is free
		}
		p.pending = p.pending[1:]
		if err != nil {
			fmt.Fprintf(p.app.err, "resetrig: %s: %v\n", one.id, err)
		}
	}
}

func (p pendingPicture) draw(ctx context.Context, profile audio.Profile) (err error) {
	f, err := os.Open(filepath.Join(p.dir, p.file))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r, err := pcm.OpenWAV(bufio.NewReader(f))
	if err != nil {
		return err
	}
	picture := audio.Picture{Profile: profile, Title: p.title, From: p.from}
	return picture.DrawFile(filepath.Join(p.dir, pictureOf(p.file)), stoppable{r, ctx})
}
