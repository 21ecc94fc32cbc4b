package command

import (
	"context"
	"strings"

	"github.com/breakwater-ci/breakwater/core/aws"
	"github.com/breakwater-ci/breakwater/core/codecommit"
	"github.com/breakwater-ci/breakwater/core/ledger"
)

// fetch reads the file at a place that is none in a folder: git:REF:FILE, REPOSITORY@REF:FILE or codecommit:REPOSITORY@REF:FILE. It
// reports false for any other. It does so once for each place: the commit that a branch is at must not change while a command is
// at work.
func (s *ship) fetch(ctx context.Context, place, dir string) (ledger.File, bool, error) {
	if f, known := s.fetched[place]; known {
		return f, true, nil
	}
	f, ok, err := s.fetchOnce(ctx, place, dir)
	if !ok || err != nil {
		return f, ok, err
	}
	if s.fetched == nil {
		s.fetched = make(map[string]ledger.File)
	}
	s.fetched[place] = f
	return f, true, nil
}

func (s *ship) fetchOnce(ctx context.Context, place, dir string) (ledger.File, bool, error) {
	at, ok, err := codecommit.ParsePlace(place)
	if err != nil {
		return ledger.File{}, true, err
	}
	if ok {
		f, err := s.inCodeCommit(ctx, at)
		return f, true, err
	}
	env := ledger.Env{Dir: dir, Environ: s.Environ, Clock: s.Clock}
	if here, ok := strings.CutPrefix(place, "git:"); ok {
		ref, name, _ := strings.Cut(here, ":")
		f, err := ledger.FileHere(ctx, ref, name, env)
		return f, true, err
	}
	if repository, ref, name, ok := elsewhere(place); ok {
		f, err := ledger.FileAt(ctx, repository, ref, name, env)
		return f, true, err
	}
	return ledger.File{}, false, nil
}

// inCodeCommit reads a file by the API of CodeCommit. What it is called has the commit in it.
func (s *ship) inCodeCommit(ctx context.Context, at codecommit.Place) (ledger.File, error) {
	client, err := codecommit.Open(ctx, aws.Options{}, s.cloud("CodeCommit"))
	if err != nil {
		return ledger.File{}, err
	}
	s.closers = append(s.closers, client)
	f, err := client.File(ctx, at)
	if err != nil {
		return ledger.File{}, err
	}
	return ledger.File{Name: f.Name(), Pinned: f.Name(), Commit: f.Commit, Text: f.Text}, nil
}

// elsewhere reads REPOSITORY@REF:FILE. The repository may hold an @ itself, as in git@example.com:org/repo, and so may
// the file; the ref holds none.
func elsewhere(place string) (repository, ref, name string, ok bool) {
	for end := len(place); ; {
		at := strings.LastIndexByte(place[:end], '@')
		if at <= 0 {
			return "", "", "", false
		}
		if ref, name, ok := strings.Cut(place[at+1:], ":"); ok {
			return place[:at], ref, name, true
		}
		end = at
	}
}

// getenv is a variable of the job; empty if it has none of that name.
func (s *ship) getenv(name string) string { return s.environ[name] }

// cloud is how AWS is asked. Who waits for it is told by a title.
func (s *ship) cloud(title string) aws.Env {
	return aws.Env{Lookup: s.getenv, Clock: s.Clock, Waits: s.waits(title)}
}
