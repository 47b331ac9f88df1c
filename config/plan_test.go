package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"resetrig/config"
)

// A plan is frozen with its soak as its own text, and read back from it.
func TestPlanReturnsAsItWas(t *testing.T) {
	name := "../examples/plans/night.yaml"
	p, err := config.LoadPlan(name, read(t, name))
	if err != nil {
		t.Fatal(err)
	}
	if p.Pause != 5*time.Second || p.Scenarios[0].Weight != 3 || p.Stop.Fails != 20 || p.Window.Zone != "Europe/Berlin" {
		t.Errorf("%+v", p)
	}
	text, err := config.PlanYAML(p)
	if err != nil {
		t.Fatal(err)
	}
	again, err := config.LoadPlan(name, text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if d := cmp.Diff(p, again); d != "" {
		t.Errorf("plan changed (-want +got):\n%s\n%s", d, text)
	}
	if err := valid(schema(t, "plan"), read(t, name)); err != nil {
		t.Errorf("the schema refuses the example: %v", err)
	}
}

// What a plan leaves out is the bench's, and files are where the plan is.
func TestPlanDefaults(t *testing.T) {
	p, err := config.LoadPlan("lab/plans/a.yaml", []byte("plan: a\nscenarios: [imou-hard-reset, mine/one.yaml]\nstop: {fails: 4}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := config.PlanStop{FailsInRow: config.Unset, ErrorsInRow: config.Unset, Fails: 4, Interruptions: config.Unset}
	if p.Stop != want || p.Retries != config.Unset {
		t.Errorf("stop %+v, retries %d", p.Stop, p.Retries)
	}
	if got := p.Scenarios[1].Scenario; got != "lab/plans/mine/one.yaml" || p.Scenarios[0].Scenario != "imou-hard-reset" {
		t.Errorf("scenarios %+v", p.Scenarios)
	}
}

// A webhook's address is a secret, wherever it came from.
func TestWebhookIsSecret(t *testing.T) {
	text := "bench: b\ndut: {model: imou-nvr-new}\nsimulate: {model: imou-new}\nsoak: {webhook: {url: \"${HOOK}\"}}\n"
	env := config.Env{Lookup: func(string) (string, bool) { return "https://hooks.example/T0KEN", true }}
	b, err := config.LoadBench("b.yaml", []byte(text), env)
	if err != nil {
		t.Fatal(err)
	}
	if b.Soak.Webhook.URL.Reveal() != "https://hooks.example/T0KEN" || strings.Contains(b.Soak.Webhook.URL.String(), "T0KEN") {
		t.Errorf("%v", b.Soak.Webhook.URL)
	}
	text = strings.Replace(text, "${HOOK}", "ftp://T0KEN", 1)
	if _, err = config.LoadBench("b.yaml", []byte(text), env); err == nil || strings.Contains(err.Error(), "T0KEN") {
		t.Errorf("%v", err)
	}
}

// A control that is a file is where the bench file says.
func TestControlsOfABench(t *testing.T) {
	text := "bench: b\ndut: {model: imou-nvr-new}\nsimulate: {model: imou-new}\nsoak: {controls: [control-no-press, mine/c.yaml]}\n"
	b, err := config.LoadBench("lab/b.yaml", []byte(text), testEnv())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"control-no-press", "lab/mine/c.yaml"}, b.Soak.Controls); d != "" {
		t.Errorf("controls (-want +got):\n%s", d)
	}
}
