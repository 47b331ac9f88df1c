package web

import (
	"embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
)

// The types that are sent say themselves what their fields mean, in their
// comments: the OpenAPI document has the same words.
//
//go:embed seam.go live.go api_types.go api_problem.go health.go
var typeSources embed.FS

// fieldComments are the comments of types and fields, by the type's full name
// and the field's.
func fieldComments() (map[string]string, error) {
	words := map[string]string{}
	in := reflect.TypeFor[Run]().PkgPath()
	files, err := typeSources.ReadDir(".")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		text, err := typeSources.ReadFile(f.Name())
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(token.NewFileSet(), f.Name(), text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("read the comments of %s: %w", f.Name(), err)
		}
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range g.Specs {
				if t, ok := s.(*ast.TypeSpec); ok {
					commentsOf(words, in+"."+t.Name.Name, t, g.Doc)
				}
			}
		}
	}
	return words, nil
}

func commentsOf(words map[string]string, name string, t *ast.TypeSpec, about *ast.CommentGroup) {
	words[name] = line(about)
	body, ok := t.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range body.Fields.List {
		text := line(f.Doc)
		if text == "" {
			text = line(f.Comment)
		}
		for _, n := range f.Names {
			words[name+"."+n.Name] = text
		}
	}
}

func line(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }
