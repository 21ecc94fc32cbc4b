package config

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

const policies = "../../testdata/policies"

func policyFiles(t testing.TB, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(policies, pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return found
}

func TestGoodPolicies(t *testing.T) {
	for _, file := range policyFiles(t, "good/*.yaml") {
		if _, _, err := LoadPolicy(file, read(t, file), catalog()); err != nil {
			t.Error(err)
		}
	}
	file := filepath.Join(policies, "good", "all.yaml")
	p, places, err := LoadPolicy(file, read(t, file), catalog())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "bake", p.Bake, core.BakeFloor{Min: 30 * time.Minute, First: 2 * time.Hour, Emergency: 5 * time.Minute})
	equal(t, "first wave", p.FirstWave.Max, core.Ratio(0.1))
	equal(t, "require", p.Checks.Require, []core.CheckMatch{{Kind: core.KindCompare}, {Name: "pager", Kind: core.KindAlarms}, {Name: "smoke"}})
	equal(t, "nobody", p.Overrides.Abort, []string{})
	equal(t, "a rule's floor", p.Rules[0].Bake.First, 24*time.Hour)
	equal(t, "a rule says nothing of overrides", p.Rules[0].Overrides.Abort, []string(nil))
	line, column := places.At(&p.Bake.First)
	equal(t, "place", []int{line, column}, []int{2, 25})
	line, column = places.At(&p.Rules[0].Bake.First)
	equal(t, "place in a rule", []int{line, column}, []int{21, 19})
}

// TestBadPolicies compares every mistake of every bad policy with its golden file.
func TestBadPolicies(t *testing.T) {
	for _, file := range policyFiles(t, "bad/*.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			policy, _, err := LoadPolicy(filepath.Base(file), read(t, file), catalog())
			if err == nil {
				t.Fatalf("accepted as %+v", policy)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", []byte(err.Error()+"\n"))
		})
	}
}

// TestPolicySchema proves that loader and schema judge every policy alike, and keeps the schema stable.
func TestPolicySchema(t *testing.T) {
	text, err := PolicySchema(catalog())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("testdata", "policy.golden"), text)
	describes(t, text)
	schema := compileText(t, text)
	for _, file := range policyFiles(t, "*/*.yaml") {
		value, err := jsonOf(read(t, file))
		good := filepath.Base(filepath.Dir(file)) == "good"
		if accepts := err == nil && schema.Validate(value) == nil; accepts != good {
			t.Errorf("%s: the schema accepts it: %v", file, accepts)
		}
	}
}

// TestPolicySchemaOfEachKey tries the mistakes of the bad policies one by one, so that none hides behind another.
func TestPolicySchemaOfEachKey(t *testing.T) {
	text, err := PolicySchema(catalog())
	if err != nil {
		t.Fatal(err)
	}
	schema := compileText(t, text)
	for _, file := range policyFiles(t, "bad/*.yaml") {
		for line := range bytes.Lines(read(t, file)) {
			one := append([]byte("version: 1\n"), line...)
			switch {
			case bytes.HasPrefix(line, []byte("version: 2")):
				one = line
			case bytes.HasPrefix(line, []byte("  - ")):
				one = append([]byte("version: 1\nrules:\n"), line...)
			case bytes.HasPrefix(line, []byte("version")), bytes.HasPrefix(line, []byte("#")), bytes.Equal(line, []byte("rules:\n")):
				continue
			}
			_, _, refused := LoadPolicy("p", one, catalog())
			value, err := jsonOf(one)
			if refused == nil || err != nil || schema.Validate(value) == nil {
				t.Errorf("loader: %v, schema accepts: %v:\n%s", refused, err, one)
			}
		}
	}
}

// FuzzLoadPolicy: nothing panics, every mistake has a place within the file, and an accepted policy is accepted by the
// schema.
func FuzzLoadPolicy(f *testing.F) {
	for _, file := range policyFiles(f, "*/*.yaml") {
		f.Add(read(f, file))
	}
	text, err := PolicySchema(catalog())
	if err != nil {
		f.Fatal(err)
	}
	schema := compileText(f, text)
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _, err := LoadPolicy("policy.yaml", text, catalog())
		if err != nil {
			mistakes, ok := errors.AsType[Mistakes](err)
			if !ok || len(mistakes) == 0 {
				t.Fatalf("not mistakes: %v", err)
			}
			for _, m := range mistakes {
				inside(t, text, m)
			}
			return
		}
		if value, err := jsonOf(text); err != nil {
			t.Errorf("accepted, but not as JSON: %v", err)
		} else if err := schema.Validate(value); err != nil {
			t.Errorf("accepted, but not by the schema: %v", err)
		}
	})
}
