package config

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"resetrig/rig"
)

var variable = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$`)

// variables reports ${…} where nothing is substituted.
func (d *document) variables(n *yaml.Node, p path) {
	if n.Kind == yaml.ScalarNode {
		if strings.Contains(n.Value, "${") && p.String() != "dut.login.password" && p.String() != "soak.webhook.url" {
			d.bad(p, "only secrets come from the environment", "write the value itself; ${…} stands in dut.login.password and soak.webhook.url alone")
		}
		return
	}
	for i, c := range n.Content {
		switch {
		case n.Kind == yaml.MappingNode && i%2 == 1:
			d.variables(c, p.to(n.Content[i-1].Value))
		case n.Kind == yaml.SequenceNode:
			d.variables(c, p.to(strconv.Itoa(i)))
		}
	}
}

// secrets puts the password where a variable or file stands. It never quotes it.
func (d *document) secrets(b *Bench, env Env) {
	l := &b.DUT.Login
	at := path{"dut", "login"}
	if !d.fromEnvironment(&l.Password, at.to("password"), env) {
		return
	}
	if w := b.Soak.Webhook; w != nil {
		here := path{"soak", "webhook", "url"}
		literal := !strings.Contains(w.URL.Reveal(), "${")
		if d.fromEnvironment(&w.URL, here, env) && literal && !strings.HasPrefix(w.URL.Reveal(), "http://") && !strings.HasPrefix(w.URL.Reveal(), "https://") && !d.reported(here) {
			d.bad(here, "is no address of the web", "write one that begins with https:// or http://")
		}
	}
	if l.PasswordFile == "" || len(d.problems) > 0 {
		return
	}
	data, err := env.ReadFile(l.PasswordFile)
	if err != nil {
		d.bad(at.to("password-file"), fmt.Sprintf("%s cannot be read", filepath.Base(l.PasswordFile)), asReason(err))
		return
	}
	text := strings.TrimRight(string(data), "\r\n")
	if text == "" || strings.ContainsAny(text, "\r\n") {
		d.bad(at.to("password-file"), "the file has not exactly one line", "put the password alone in it")
		return
	}
	l.Password = rig.Secret(text)
}

// fromEnvironment puts the variable's value where one is named, and reports
// whether there is a value.
func (d *document) fromEnvironment(secret *rig.Secret, at path, env Env) bool {
	text := secret.Reveal()
	if !strings.Contains(text, "${") {
		return true
	}
	m := variable.FindStringSubmatch(text)
	if m == nil {
		d.bad(at, "a variable must be the whole value", "write \"${NAME}\" and nothing around it")
		return false
	}
	v, set := env.Lookup(m[1])
	if !set || v == "" {
		d.bad(at, fmt.Sprintf("the environment variable %s is not set", m[1]), "set it before you start resetrig: export "+m[1]+"=…")
		return false
	}
	*secret = rig.Secret(v)
	return true
}

func asReason(err error) string {
	if ps, ok := err.(Problems); ok && len(ps) > 0 {
		return ps[0].Wrong
	}
	return err.Error()
}
