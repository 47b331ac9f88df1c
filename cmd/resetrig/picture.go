package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"resetrig/audio"
	"resetrig/pcm"
	"resetrig/rig"
	"resetrig/store"
)

// pictures draws the sound of cycles when no bench waits for it: a picture takes
// seconds on a small computer, and lines are given back before. A picture is
// made of the sound alone: one that is missing can be drawn at any time.
type pictures struct {
	app     *app
	db      *store.Store
	profile audio.Profile // what the ear waits for
	pending []pendingPicture
	drawn   func(context.Context) // is told of each; nil: nobody
}

type pendingPicture struct {
	db               *store.Store
	id, sound, title string
	from             float64 // seconds of the cycle
}

// of is the name of the picture that a record will have, or "".
func (p *pictures) of(r rig.Record) string {
	if r.Sound == nil {
		return ""
	}
	return pictureOf(r.Sound.File)
}

// later notes the sound of a committed record.
func (p *pictures) later(r rig.Record) {
	p.pending = append(p.pending, pendingPicture{db: p.db, id: r.ID, sound: r.Sound.File, title: titleOf(r), from: r.Sound.From.Seconds()})
}

// missed notes the pictures that an earlier program died before it drew.
func (p *pictures) missed(ctx context.Context, run string) {
	ids, err := p.db.Undrawn(ctx, run)
	for _, id := range ids {
		var r rig.Record
		if r, err = p.db.Record(ctx, id); err == nil && slices.Contains(r.Artifacts, p.of(r)) {
			p.later(r)
		}
	}
	if err != nil {
		fmt.Fprintf(p.app.err, "resetrig: %v\n", err)
	}
}

// titleOf is what stands over a cycle's picture.
func titleOf(r rig.Record) string {
	title := fmt.Sprintf("%s  %s  %s", r.Bench, r.ID, strings.ToUpper(string(r.Outcome)))
	if r.Reason != "" {
		title += ": " + string(r.Reason)
	}
	return title
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
		if err == nil && p.drawn != nil {
			p.drawn(ctx)
		}
		if err != nil && !errors.Is(err, store.ErrDropped) {
			fmt.Fprintf(p.app.err, "resetrig: %s: %v\n", one.id, err)
		}
	}
}

// draw makes the picture in the cycle's folder, and adds it to its evidence.
func (p pendingPicture) draw(ctx context.Context, profile audio.Profile) error {
	f, _, err := p.db.OpenArtifact(ctx, p.id, p.sound)
	if err != nil {
		return err
	}
	defer f.Close()
	dir, err := p.db.CycleDir(p.id)
	if err != nil {
		return err
	}
	name := pictureOf(p.sound)
	if err := drawPicture(ctx, f, filepath.Join(dir, name), audio.Picture{Profile: profile, Title: p.title, From: p.from}); err != nil {
		return err
	}
	return p.db.Attach(ctx, p.id, name)
}

// drawPicture draws a recording into a file.
func drawPicture(ctx context.Context, sound io.Reader, to string, picture audio.Picture) error {
	r, err := pcm.OpenWAV(bufio.NewReader(sound))
	if err != nil {
		return err
	}
	return picture.DrawFile(to, stoppable{r, ctx})
}
