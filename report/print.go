package report

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// width is what the text keeps to, but for what cannot be broken.
const width = 88

// printer writes lines and keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) linef(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
}

// para prints text wrapped, the first line after first, the others indented as
// far.
func (p *printer) para(first, text string) {
	indent := strings.Repeat(" ", utf8.RuneCountInString(first))
	for _, l := range wrap(text, width-len(indent)) {
		p.linef("%s%s", first, l)
		first = indent
	}
}

// pairs prints "name  value" lines, leaving out what is empty.
func (p *printer) pairs(kv ...string) {
	for i := 0; i+1 < len(kv); i += 2 {
		if kv[i+1] != "" {
			p.para(fmt.Sprintf("  %-9s ", kv[i]), kv[i+1])
		}
	}
}

// table prints rows in columns as wide as they need; a column whose name
// begins with < is left-aligned, the others are right-aligned. Columns without
// any name have no line for it.
func (p *printer) table(head []string, rows [][]string) {
	left := make([]bool, len(head))
	wide := make([]int, len(head))
	for i, h := range head {
		head[i], left[i] = strings.CutPrefix(h, "<")
	}
	for _, row := range append([][]string{head}, rows...) {
		for i, c := range row {
			wide[i] = max(wide[i], utf8.RuneCountInString(c))
		}
	}
	lines := append([][]string{head}, rows...)
	if strings.Join(head, "") == "" {
		lines = rows
	}
	for _, row := range lines {
		var b strings.Builder
		for i, c := range row {
			pad := strings.Repeat(" ", wide[i]-utf8.RuneCountInString(c))
			if b.WriteString("  "); left[i] {
				b.WriteString(c + pad)
			} else {
				b.WriteString(pad + c)
			}
		}
		p.linef("%s", b.String())
	}
}

// wrap breaks text at spaces into lines of at most n characters; a word that
// is longer stands alone. It gives one line at least.
func wrap(text string, n int) []string {
	var lines []string
	var line string
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= n:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

// clean makes a text harmless on one line of a terminal or of XML: control and
// formatting characters and what is no UTF-8 become a dot, white space a
// space.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError, unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Noncharacter_Code_Point, r):
			return '·'
		}
		return r
	}, s)
}

// cleanLines is clean for a text of several lines.
func cleanLines(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\t", "    "), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(clean(l), " ")
	}
	return strings.Join(lines, "\n")
}

// short is clean, cut where it is longer than anybody reads on a terminal.
func short(s string) string {
	const most = 400
	if s = clean(s); utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return s
}

// count is a number with thousands apart.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// number is a value with about four digits that matter.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1e15 || a != 0 && a < 1e-4:
		return strconv.FormatFloat(v, 'g', 4, 64)
	case a >= 999.95:
		return count(int(math.Round(v)))
	case a >= 99.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 9.9995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

// limit is a limit as it was written.
func limit(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// percent is a rate with three digits that matter.
func percent(rate float64) string {
	v := rate * 100
	if v == 0 || v == 100 {
		return strconv.Itoa(int(v)) + " %"
	}
	digits := 2 - int(math.Floor(math.Log10(v)))
	if v > 90 && v < 100 { // what is missing of 100 matters
		digits = 1 - int(math.Floor(math.Log10(100-v)+1e-9))
	}
	return strconv.FormatFloat(v, 'f', min(max(digits, 1), 10), 64) + " %"
}

// span is a duration as a person says it: 1.25s, 1m52.3s, 2h04m, 3d04h.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return d.String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	case d < time.Hour:
		d = d.Round(100 * time.Millisecond)
		return fmt.Sprintf("%dm%04.1fs", int(d.Minutes()), (d % time.Minute).Seconds())
	case d < 24*time.Hour:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	d = d.Round(time.Hour)
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

// moment is a wall time; "" if there is none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format("2006-01-02 15:04:05 -07:00")
}

// fixed is a value with so many digits behind the point.
func fixed(v float64, digits int) string { return strconv.FormatFloat(v, 'f', digits, 64) }
