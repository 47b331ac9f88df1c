package web

import (
	"fmt"
	"html/template"
	"time"

	"resetrig/rig"
)

// wire is a relay of the wiring picture, with what is known of it in words.
type wire struct {
	LiveRelay
	State                  string // on, off, unknown: what is nearest to the contact
	Now                    string // from the DUT's side: powered, cut, shorted, open
	Said, Reads, Seen      string // commanded, read back, sensed
	Differs                string // what disagrees, "" where nothing does
	ContactWord, SafeWords string
}

// wires says each relay's state in words. What a sense sees of the contact is
// believed before the line, and the line before the command. They come at moments
// of their own: that they contradict each other is told where nothing has
// happened for a while.
func wires(m Moment) []wire {
	var ws []wire
	for _, r := range m.Relays {
		w := wire{LiveRelay: r, Said: boolText(r.Commanded), Reads: boolText(r.Read), Seen: boolText(r.Sense)}
		on := r.Commanded
		if r.Read != nil {
			on = r.Read
		}
		if r.Sense != nil {
			on = r.Sense
		}
		w.State, w.Now = boolText(on), relayWord(r.Role, on)
		if m.At.Sub(m.EventAt) >= settled {
			w.Differs = differs(r)
		}
		w.ContactWord = map[string]string{"no": "normally open", "nc": "normally closed"}[r.Contact]
		w.SafeWords = safeWords(r.Role, r.Safe)
		ws = append(ws, w)
	}
	return ws
}

const settled = 1500 * time.Millisecond

// differs says which of a relay's witnesses contradict each other.
func differs(r LiveRelay) string {
	switch {
	case r.Read != nil && r.Commanded != nil && *r.Read != *r.Commanded:
		return fmt.Sprintf("switched %s, and the line reads %s", boolText(r.Commanded), boolText(r.Read))
	case r.Sense != nil && r.Read != nil && *r.Sense != *r.Read:
		return fmt.Sprintf("the line reads %s, and the sense sees %s", boolText(r.Read), boolText(r.Sense))
	case r.Sense != nil && r.Read == nil && r.Commanded != nil && *r.Sense != *r.Commanded:
		return fmt.Sprintf("switched %s, and the sense sees %s", boolText(r.Commanded), boolText(r.Sense))
	}
	return ""
}

func safeWords(role rig.Role, s rig.SafeState) string {
	switch {
	case role == rig.RolePress:
		return "open"
	case s == rig.SafeKeep:
		return "kept"
	}
	return "off"
}

// wiring draws supply, relays and DUT. Both positions of each contact are drawn;
// the state that the script sets on the group shows one of them.
func wiring(ws []wire, answers string) template.HTML {
	const w, rowH, top, dutX, dutW = 360.0, 84.0, 8.0, 262.0, 90.0
	h := top*2 + rowH*float64(max(1, len(ws)))
	label := "Wiring:"
	for _, r := range ws {
		label += fmt.Sprintf(" relay %s, %s contact, %s.", r.Name, r.ContactWord, r.Now)
	}
	d := newDrawing("wiring", w, h, label)
	d.rect("dut", dutX, top, dutW, h-2*top, "the device under test")
	d.text("dutname", dutX+dutW/2, h/2-4, "middle", "DUT")
	fmt.Fprintf(d, `<text class="dutsays" data-f="answers" x="%s" y="%s" text-anchor="middle">%s</text>`, px(dutX+dutW/2), px(h/2+14), escape(answers))
	d.text("tip", dutX+dutW/2, h/2+28, "middle", "when last asked")
	for i, r := range ws {
		y := top + rowH*float64(i) + 34
		fmt.Fprintf(d, `<g class="wire %s" data-wire="%s" data-state="%s" data-differs="%t">`, escape(string(r.Role)), escape(r.Name), r.State, r.Differs != "")
		from := "supply"
		if r.Role == rig.RolePress {
			from = "pin 2"
		}
		d.rect("node", 8, y-13, 62, 26, from)
		d.text("nodename", 39, y+4, "middle", from)
		d.line("lead", 70, y, 128, y)
		d.line("lead", 200, y, dutX, y)
		// Common on the left; the contact that is used lies on the lead.
		d.line("blade closed", 128, y, 200, y)
		d.line("blade opened", 128, y, 192, y-24)
		for _, x := range []float64{128, 200} {
			fmt.Fprintf(d, `<circle class="pole" cx="%s" cy="%s" r="4"/>`, px(x), px(y))
		}
		to := "12 V in"
		if r.Role == rig.RolePress {
			to = "pin 1"
		}
		d.text("tip", dutX-6, y-6, "end", to)
		d.text("tip", 164, y+18, "middle", r.Name+" · "+map[string]string{"no": "NO", "nc": "NC"}[r.Contact])
		fmt.Fprintf(d, `<text class="now" data-now="%s" x="164" y="%s" text-anchor="middle">%s</text>`, escape(r.Name), px(y+34), escape(r.Now))
		fmt.Fprintf(d, `<g class="alarm"><path d="M%s %s l10 18 h-20 z"/><text x="%s" y="%s" text-anchor="middle">!</text></g>`, px(232), px(y-32), px(232), px(y-17))
		d.WriteString("</g>")
	}
	return d.done()
}
