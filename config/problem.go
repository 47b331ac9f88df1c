package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a file or a flag.
type Problem struct {
	File string // as it was named to the loader, or the flag "-p hold"
	Line int    // from 1; 0 where unknown
	// Column is from 1, in characters; 0 where unknown.
	Column int
	Key    string // dotted: relays.reset.max-on; empty for the file itself
	Wrong  string // what is wrong, with the value
	Right  string // what would be right
}

// Error is the problem on one line: file:line:column: key: wrong; right.
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Wrong)
	if p.Right != "" {
		b.WriteString("; " + p.Right)
	}
	return b.String()
}

// Problems are all problems of a file, in the order of their lines. It is the
// error of every loader of this package.
type Problems []Problem

// Error has one problem a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives errors.As each Problem.
func (p Problems) Unwrap() []error {
	errs := make([]error, len(p))
	for i, one := range p {
		errs[i] = one
	}
	return errs
}

// most is how many problems of a file are told: more only hide the first.
const most = 100

// enough is how many are looked for; who has so many has the wrong file.
const enough = 10 * most

// sorted is the problems by line and column, each once, and no more than most.
func (p Problems) sorted() Problems {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	p = slices.Compact(p)
	if more := len(p) - most; more > 0 {
		p = append(p[:most:most], Problem{File: p[0].File, Wrong: moreText(more), Right: "is this the right file?"})
	}
	return p
}

// Nearest is the candidate that word was most likely meant to be: the one with
// the least edit distance, if that is small for the word's length, and of those
// the one with the longest common beginning; else "".
func Nearest(word string, candidates []string) string {
	best, least, shared := "", max(2, len([]rune(word))/3+1), 0
	for _, c := range candidates {
		a, b := strings.ToLower(word), strings.ToLower(c)
		if len(a) > 4*len(b) { // no misspelling, and the distance costs both lengths
			continue
		}
		if d, s := distance(a, b), commonPrefix(a, b); d < least || d == least && best != "" && s > shared {
			best, least, shared = c, d, s
		}
	}
	return best
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// suggest is the remedy for an unknown word.
func suggest(word string, known []string) string {
	if len(known) == 0 {
		return "none is known here"
	}
	if n := Nearest(word, known); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	return "right would be " + oneOf(known)
}

// oneOf is a list of words as a person says it: a, b or c.
func oneOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// distance counts the letters to insert, delete, replace or swap with their
// neighbour to turn a into b (optimal string alignment).
func distance(a, b string) int {
	r, s := []rune(a), []rune(b)
	rows := make([][]int, len(r)+1)
	for i := range rows {
		rows[i] = make([]int, len(s)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(r); i++ {
		for j := 1; j <= len(s); j++ {
			cost := 1
			if r[i-1] == s[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && r[i-1] == s[j-2] && r[i-2] == s[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(r)][len(s)]
}

func moreText(more int) string {
	if more+most >= enough {
		return fmt.Sprintf("and more than %d problems more", more-1)
	}
	return fmt.Sprintf("and %d problems more", more)
}
