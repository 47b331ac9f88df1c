package web

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"math"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"resetrig/pcm"
	"resetrig/report"
	"resetrig/rig"
)

// What a page reads of a cycle's evidence is bounded.
const (
	transcriptMost = 8 << 20 // bytes of a transcript
	exchangesMost  = 2000    // entries of it
	envelopeMost   = 64 << 20 / 2
	envelopePoints = 900
)

// cyclePage is what cycle.html is given.
type cyclePage struct {
	rig.Record
	Class, Verdict string
	Zoom           string
	Zooms          []string
	Chart          template.HTML
	Picture        string // names of artifacts, "" where there is none
	Sound          string
	Transcript     string
	Exchanges      []exchange
	ExchangesLeft  int
	Trouble        []string // evidence that could not be read
	Attempts       []Cycle  // of the same cycle, where there are several
	Newer, Older   string   // neighbours of the same run
	Notes          notesView
	PictureSays    string
}

// notesView is what people wrote to a cycle, and the form to write more.
type notesView struct {
	Cycle        string
	Notes        []Note
	Acts         bool
	Error        bool // it ended in an error of the rig
	Acknowledged bool
}

// exchange is one entry of a transcript on the cycle's timeline.
type exchange struct {
	At     time.Duration
	Took   time.Duration
	Method string
	URL    string
	Status int
	Error  string
	Times  int // how often the same came in a row
}

// cycle is GET /cycles/{id}.
func (p *pages) cycle(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if p.s.rig.Books == nil || !plain(id) {
		return notFound("There is no such cycle.")
	}
	rec, err := p.s.rig.Books.Record(r.Context(), id)
	if err != nil {
		return err
	}
	page := cyclePage{Record: rec, Class: report.Class(&rec), Verdict: report.Verdict(&rec)}
	for _, a := range rec.Artifacts {
		switch ext := strings.ToLower(path.Ext(a)); {
		case ext == ".png" && page.Picture == "":
			page.Picture = a
		case ext == ".har" && page.Transcript == "":
			page.Transcript = a
		case ext == ".wav" && (page.Sound == "" || rec.Sound != nil && rec.Sound.File == a):
			page.Sound = a
		}
	}
	page.PictureSays = pictureSays(&rec)
	trouble := func(what string, err error) {
		if err != nil {
			text := "cannot be read now"
			if errors.Is(err, ErrNotFound) {
				text = "is no longer here; it may have been moved to an archive"
			} else {
				p.s.log("read the evidence of "+id, err)
			}
			page.Trouble = append(page.Trouble, what+" "+text+".")
		}
	}
	if page.Transcript != "" {
		var err error
		page.Exchanges, page.ExchangesLeft, err = p.exchanges(r, &rec, page.Transcript)
		trouble("The transcript", err)
	}
	var env []float64
	if rec.Sound != nil && page.Sound == rec.Sound.File {
		var err error
		env, err = p.envelope(r, id, rec.Sound)
		trouble("The sound", err)
		if errors.Is(err, ErrNotFound) {
			page.Sound = ""
		}
	}
	page.Zooms = zoomsOf(&rec)
	if page.Zoom = r.URL.Query().Get("zoom"); !slices.Contains(page.Zooms, page.Zoom) {
		page.Zoom = page.Zooms[0]
	}
	from, to := zoomed(&rec, page.Zoom)
	page.Chart = cycleChart(&rec, page.Exchanges, env, from, to)
	if err := p.neighbours(r, &page); err != nil {
		return err
	}
	if page.Notes, err = p.notes(r, id); err != nil {
		return err
	}
	page.Notes.Error = rec.Outcome == rig.Error
	v := p.view(r, cycleTitle(&rec), "runs")
	v.Page = page
	return p.render(w, http.StatusOK, "cycle", v)
}

func cycleTitle(r *rig.Record) string {
	t := "Cycle "
	if r.Control {
		t = "Control "
	}
	t += countText(r.Cycle)
	if r.Attempt > 1 {
		t += fmt.Sprintf(", attempt %d", r.Attempt)
	}
	return t
}

// pictureSays describes the spectrogram to who can't see it.
func pictureSays(r *rig.Record) string {
	for _, b := range r.Beeps {
		if b.Kind == "long" {
			return fmt.Sprintf("Spectrogram: a long beep at %.1f s, %.2f s long, at %.0f Hz", b.Onset.Seconds(), b.Duration.Seconds(), b.FrequencyHz)
		}
	}
	return "Spectrogram: no long beep"
}

func (p *pages) notes(r *http.Request, id string) (notesView, error) {
	v := notesView{Cycle: id, Acts: p.view(r, "", "").Acts && p.s.rig.Notes != nil}
	if p.s.rig.Notes == nil {
		return v, nil
	}
	var err error
	v.Notes, err = p.s.rig.Notes.Notes(r.Context(), id)
	for _, n := range v.Notes {
		v.Acknowledged = v.Acknowledged || n.Kind == "acknowledged"
	}
	return v, err
}

// neighbours finds the cycles before and after, and the other attempts.
func (p *pages) neighbours(r *http.Request, page *cyclePage) error {
	all, err := p.s.rig.Books.Cycles(r.Context(), CycleFilter{Run: page.Run})
	if err != nil {
		return err
	}
	for i, c := range all { // the newest first
		if c.Cycle == page.Cycle && c.Control == page.Control && c.Attempt != page.Attempt {
			page.Attempts = append(page.Attempts, c)
		}
		if c.ID != page.ID {
			continue
		}
		if i > 0 && all[i-1].Outcome != "" {
			page.Newer = all[i-1].ID
		}
		if i+1 < len(all) {
			page.Older = all[i+1].ID
		}
	}
	return nil
}

// exchanges reads a transcript, an HTTP archive, onto the cycle's timeline.
func (p *pages) exchanges(r *http.Request, rec *rig.Record, name string) ([]exchange, int, error) {
	if p.s.rig.Files == nil {
		return nil, 0, ErrNotFound
	}
	f, _, err := p.s.rig.Files.Open(r.Context(), rec.ID, name)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	var har struct {
		Log struct {
			Entries []struct {
				Started string  `json:"startedDateTime"`
				Time    float64 `json:"time"`
				Request struct {
					Method string `json:"method"`
					URL    string `json:"url"`
				} `json:"request"`
				Response struct {
					Status int `json:"status"`
				} `json:"response"`
				Error    string `json:"_error"`
				Repeated int    `json:"_repeated"`
			} `json:"entries"`
		} `json:"log"`
	}
	if err := json.NewDecoder(io.LimitReader(f, transcriptMost)).Decode(&har); err != nil {
		return nil, 0, fmt.Errorf("the transcript: %w", err)
	}
	var out []exchange
	for _, e := range har.Log.Entries {
		at, err := time.Parse(time.RFC3339Nano, e.Started)
		if err != nil {
			continue
		}
		if len(out) == exchangesMost {
			break
		}
		took := time.Duration(0)
		if e.Time > 0 && e.Time < 1e9 {
			took = time.Duration(e.Time * float64(time.Millisecond))
		}
		out = append(out, exchange{
			At: at.Sub(rec.Started), Took: took, Method: clean(e.Request.Method, 20), URL: clean(e.Request.URL, 300),
			Status: e.Response.Status, Error: clean(e.Error, 300), Times: 1 + max(0, e.Repeated),
		})
	}
	return out, len(har.Log.Entries) - len(out), nil
}

// envelope is a recording's level, the peak of each stretch as a part of full
// scale.
func (p *pages) envelope(r *http.Request, cycle string, sound *rig.SoundRecord) ([]float64, error) {
	if p.s.rig.Files == nil {
		return nil, ErrNotFound
	}
	f, _, err := p.s.rig.Files.Open(r.Context(), cycle, sound.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	wav, err := pcm.OpenWAV(bufio.NewReaderSize(f, 1<<16))
	if err != nil {
		return nil, err
	}
	n := int64((sound.To - sound.From).Seconds() * float64(wav.Rate()))
	if n <= 0 || n > envelopeMost {
		return nil, nil
	}
	env := make([]float64, min(envelopePoints, n))
	block := make([]float32, 1<<14)
	for at := int64(0); ; {
		k, err := wav.ReadBlock(block)
		for i, v := range block[:k] {
			if b := (at + int64(i)) * int64(len(env)) / n; b < int64(len(env)) {
				env[b] = max(env[b], math.Abs(float64(v)))
			}
		}
		at += int64(k)
		if errors.Is(err, io.EOF) || err == nil && k == 0 {
			return env, nil
		}
		if err != nil {
			return nil, err
		}
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
	}
}
