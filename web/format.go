package web

import (
	"fmt"
	"html/template"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"resetrig/rig"
)

// pageFuncs are what templates call.
func pageFuncs() template.FuncMap {
	return template.FuncMap{
		"span": spanText, "clock": clockText, "iso": isoText,
		"count": func(n any) string { return countText(n) }, "percent": percentText, "percentDown": percentDown,
		"class": markClass, "sign": markSign, "outcome": outcomeWord,
		"seconds": func(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) },
		"number":  numberText, "join": strings.Join, "relay": relayWord,
		"checkClass": func(o rig.CheckOutcome) string { return "c" + string(o) }, "checkSign": checkSign,
		"millis": func(d time.Duration) int64 { return d.Milliseconds() }, "yes": func(b *bool) string { return boolText(b) },
		"dict": dict, "livePath": livePath, "runPath": runPath, "cyclePath": cyclePath,
		"benchPath": func(name string) string { return "/benches/" + url.PathEscape(name) },
		"artifactPath": func(cycle, name string) string {
			return "/artifacts/" + url.PathEscape(cycle) + "/" + url.PathEscape(name)
		},
		"phases": func() []string { return []string{"health", "arrange", "act", "assert"} },
		"kinds":  func() []string { return []string{"cycle", "soak", "sweep"} },
	}
}

// dict makes a map of names and values, for a template's part that needs more
// than one thing.
func dict(kv ...any) (map[string]any, error) {
	m := map[string]any{}
	for i := 0; i+1 < len(kv); i += 2 {
		k, ok := kv[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: the name %v is no text", kv[i])
		}
		m[k] = kv[i+1]
	}
	return m, nil
}

// spanText is a duration as a person says it.
func spanText(d time.Duration) string {
	switch {
	case d < 0:
		return "–"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 0, 64) + " s"
	case d < time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
	}
	d = d.Round(time.Hour)
	return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
}

func agoText(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	if d := now.Sub(t); d >= time.Minute {
		return spanText(d.Round(time.Minute)) + " ago"
	}
	return "just now"
}

func clockText(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

func isoText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func countText(v any) string {
	var n int64
	switch v := v.(type) {
	case int:
		n = int64(v)
	case int64:
		n = v
	default:
		return fmt.Sprint(v)
	}
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// percentText is a rate of outcomes, rounded to the nearest.
func percentText(v float64) string {
	return strconv.FormatFloat(100*v, 'f', percentDigits(v), 64) + "\u00a0%"
}

// percentDown is a lower bound: rounding never makes it better.
func percentDown(v float64) string {
	m := math.Pow10(2 + percentDigits(v))
	return strconv.FormatFloat(math.Floor(v*m+1e-9)/m*100, 'f', percentDigits(v), 64) + "\u00a0%"
}

func percentDigits(v float64) int {
	switch {
	case v == 0 || v == 1:
		return 0
	case v > 0.999 || v < 0.001:
		return 3
	}
	return 1
}

func numberText(v float64) string {
	if a := math.Abs(v); a >= 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// markClass is an outcome's name in the style: its colour. markSign is its shape,
// markWord its word: nobody needs the colour.
func markClass(o rig.Outcome, a rig.Attribution) string {
	switch o {
	case rig.Pass:
		return "pass"
	case rig.Fail:
		if a == rig.Proven {
			return "proven"
		}
		return "presumed"
	case rig.Error:
		return "error"
	case rig.Aborted:
		return "aborted"
	}
	return "running"
}

func markSign(o rig.Outcome, a rig.Attribution) string {
	return map[string]string{"pass": "✓", "proven": "✗", "presumed": "?", "error": "!", "aborted": "–", "running": "…"}[markClass(o, a)]
}

func markWord(o rig.Outcome, a rig.Attribution) string {
	return map[string]string{"pass": "pass", "proven": "fail, proven", "presumed": "fail, presumed", "error": "rig error", "aborted": "aborted", "running": "runs"}[markClass(o, a)]
}

func outcomeWord(o rig.Outcome, a rig.Attribution, why rig.Reason) string {
	t := markWord(o, a)
	if why != "" {
		t += ": " + clean(string(why), nameMost)
	}
	return t
}

func checkSign(o rig.CheckOutcome) string {
	return map[rig.CheckOutcome]string{rig.CheckPass: "✓ ok", rig.CheckFail: "✗ FAIL", rig.CheckUnknown: "? unknown", rig.CheckWarn: "! warn"}[o]
}

// relayWord says a relay's state from the DUT's side.
func relayWord(role rig.Role, on *bool) string {
	switch {
	case on == nil:
		return "unknown"
	case role == rig.RolePress && *on:
		return "shorted"
	case role == rig.RolePress:
		return "open"
	case *on:
		return "powered"
	}
	return "cut"
}

func boolText(b *bool) string {
	switch {
	case b == nil:
		return "unknown"
	case *b:
		return "on"
	}
	return "off"
}
