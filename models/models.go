// Package models is the shipped model files: kinds of recorders as data. It
// does not know what they mean; config reads them. A lab adds its own file
// beside its bench file, without a build.
package models

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// Names are the shipped models, in alphabetical order.
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

// Read is the text of the shipped model of that name. The error of an unknown
// name wraps fs.ErrNotExist and lists the names.
func Read(name string) ([]byte, error) {
	data, err := files.ReadFile(name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("no shipped model %q, there are %s: %w", name, strings.Join(Names(), ", "), fs.ErrNotExist)
	}
	return data, nil
}
