package config

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/breakwater-ci/breakwater/core"
)

// FuzzLoad: nothing panics, every mistake has a place within the file, and an accepted plan has only valid names and
// is accepted by the schema.
func FuzzLoad(f *testing.F) {
	for _, file := range append(files(f, "good/*.yaml"), files(f, "bad/*.yaml")...) {
		f.Add(read(f, file))
	}
	schema := compiled(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		plan, err := Load("plan.yaml", text, environment, catalog())
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
		names := []string{plan.Service, plan.Environment}
		for _, target := range plan.Targets.List {
			names = append(names, target.Name)
		}
		for _, wave := range plan.Waves {
			names = append(names, wave.Name)
			if b := wave.Bake; b.Min < 0 || b.Max < b.Min || b.Every <= 0 {
				t.Errorf("bake %+v", b)
			}
		}
		for _, check := range plan.Checks {
			names = append(names, check.Name)
		}
		for _, name := range names {
			if !validName(name) {
				t.Errorf("name %q", name)
			}
		}
		if value, err := jsonOf(text); err != nil {
			t.Errorf("accepted, but not as JSON: %v", err)
		} else if err := schema.Validate(value); err != nil {
			t.Errorf("accepted, but not by the schema: %v", err)
		}
	})
}

// FuzzHours: nothing panics, what is refused is told, and accepted hours are some hours of some day in a zone that
// exists, in a text that the schema accepts.
func FuzzHours(f *testing.F) {
	for _, text := range []string{"Mon-Thu 09:00-16:00 target", "Fri-Mon,Wed 22:00-02:00", "daily 00:00-24:00 Asia/Kolkata", "Mon-Mon 1:00-2:00", "daily 10:00-10:00"} {
		f.Add(text)
	}
	form := regexp.MustCompile(hoursForm)
	f.Fuzz(func(t *testing.T, text string) {
		h, wrong := parseHours(text)
		if wrong != nil {
			if wrong.message == "" || wrong.want == "" {
				t.Fatalf("refused without a word: %+v", wrong)
			}
			return
		}
		if h.Days == [7]bool{} || h.From < 0 || h.From >= 24*time.Hour || h.To < 0 || h.To > 24*time.Hour || h.From == h.To {
			t.Errorf("%q is %+v", text, h)
		}
		if h.Zone != "" && h.Zone != core.ZoneTarget && !validZone(h.Zone) {
			t.Errorf("%q has the zone %q", text, h.Zone)
		}
		if h.Text != text || !form.MatchString(text) {
			t.Errorf("%q is accepted, but not by the schema", text)
		}
	})
}

func inside(t *testing.T, text []byte, m Mistake) {
	t.Helper()
	all := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.TrimPrefix(string(text), "\ufeff"))
	lines := strings.Split(all, "\n")
	if m.Line < 1 || m.Line > len(lines) || m.Source != lines[m.Line-1] {
		t.Fatalf("line %d of %d: %s", m.Line, len(lines), m)
	}
	if m.Column < 1 || m.Column > utf8.RuneCountInString(m.Source)+1 {
		t.Fatalf("column %d: %s", m.Column, m)
	}
	if m.Message == "" {
		t.Fatalf("no message: %#v", m)
	}
}
