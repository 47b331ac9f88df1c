// Package scenarios is the shipped scenario files: reset procedures and the
// controls that prove that a test can fail, as data. It does not know what they
// mean; config reads them.
package scenarios

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// Names are the shipped scenarios, in alphabetical order.
func Names() []string {
	found, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil // the pattern is right, and it is the only error of Glob
	}
	for i, f := range found {
		found[i] = strings.TrimSuffix(f, ".yaml")
	}
	return found
}

// Read is the text of the shipped scenario of that name. The error of an
// unknown name wraps fs.ErrNotExist and lists the names.
func Read(name string) ([]byte, error) {
	data, err := files.ReadFile(name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("no shipped scenario %q, there are %s: %w", name, strings.Join(Names(), ", "), fs.ErrNotExist)
	}
	return data, nil
}
