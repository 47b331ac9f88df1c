package config

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// MaxFile is the most bytes that a file of this package may have: no bench is
// described by more, and a wrong file is named before it fills the memory.
const MaxFile = 1 << 20

// ReadFile is a file of at most MaxFile bytes. Its error is a Problem.
func ReadFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, Problems{{File: path, Wrong: "there is no such file", Right: "look at its name and folder"}}
	case err != nil:
		return nil, Problems{{File: path, Wrong: err.Error()}}
	case !info.Mode().IsRegular():
		return nil, Problems{{File: path, Wrong: "this is no regular file", Right: "name a file"}}
	case info.Size() > MaxFile:
		return nil, Problems{tooLarge(path, info.Size())}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, Problems{{File: path, Wrong: err.Error()}}
	}
	return data, nil
}

func tooLarge(file string, size int64) Problem {
	return Problem{File: file, Wrong: fmt.Sprintf("the file has %d bytes", size),
		Right: fmt.Sprintf("at most %d are read: is this the right file?", MaxFile)}
}

// path leads from the top of a file to one of its values: keys, and in lists
// the number from 0.
type path []string

func (p path) to(more ...string) path { return append(p[:len(p):len(p)], more...) }

// String is the path as a person says it.
func (p path) String() string {
	var b strings.Builder
	for i, part := range p {
		if n, err := strconv.Atoi(part); err == nil && i > 0 {
			if i == 1 && (p[0] == "arrange" || p[0] == "act" || p[0] == "assert") {
				fmt.Fprintf(&b, " step %d", n+1)
			} else {
				fmt.Fprintf(&b, "[%d]", n)
			}
			continue
		}
		if i > 0 {
			b.WriteString(".")
		}
		b.WriteString(shorten(part))
	}
	return b.String()
}
