package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"resetrig/config"
)

// What a flag says comes before a plan, that before a bench, and all of it
// before what is usual, field by field.
func TestEvidenceIsMerged(t *testing.T) {
	flag, err := config.ParseEvidence("first=0,budget=500MB")
	if err != nil {
		t.Fatal(err)
	}
	p, err := config.LoadPlan("p.yaml", []byte("plan: a\nscenarios: [s]\nevidence: {first: 7, every: 50}\n"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := config.LoadBench("b.yaml", []byte("bench: b\ndut: {model: imou-nvr-new}\nsimulate: {model: imou-new}\nevidence: {keep: fails, every: 9}\n"), testEnv())
	if err != nil {
		t.Fatal(err)
	}
	got := flag.Or(*p.Evidence).Or(*b.Evidence).Or(config.UsualEvidence(true))
	want := config.Evidence{Keep: "fails", First: 0, Every: 50, Budget: 500e6, Reserve: 200e6}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if u := config.NoEvidence().Or(config.UsualEvidence(true)); u.Keep != "none" {
		t.Errorf("a simulated bench keeps %q", u.Keep)
	}
	if u := config.NoEvidence().Or(config.UsualEvidence(false)); u.Keep != "sampled" {
		t.Errorf("a real bench keeps %q", u.Keep)
	}
}

// A flag is held to the rules of the files.
func TestEvidenceFlagIsChecked(t *testing.T) {
	for _, text := range []string{"budget=2", "first=-1", "keep=all", "size=2GB", "budget=2GB,budget=3GB", "budget"} {
		if e, err := config.ParseEvidence(text); err == nil {
			t.Errorf("%q was read as %+v", text, e)
		}
	}
}

func TestBytesReturnAsTheyWere(t *testing.T) {
	for text, want := range map[string]config.Bytes{"2GB": 2e9, "1.5GB": 15e8, "500MB": 5e8, "3kB": 3000, "1TB": 1e12, "17B": 17} {
		var b, again config.Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%s: %d, %v; want %d", text, b, err, want)
		}
		if out, err := b.MarshalText(); err != nil || again.UnmarshalText(out) != nil || again != b {
			t.Errorf("%s became %s, %v", text, out, err)
		}
	}
}
