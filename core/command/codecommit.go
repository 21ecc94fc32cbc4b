package command

import (
	"context"

	"github.com/breakwater-ci/breakwater/core/aws"
	"github.com/breakwater-ci/breakwater/core/codecommit"
)

// inCodeCommit reads the file at a place in CodeCommit; false if the place is none there. It does so once for each place: the
// commit that a branch is at must not change while a command is at work.
func (s *ship) inCodeCommit(ctx context.Context, place string) (codecommit.File, bool, error) {
	at, ok, err := codecommit.ParsePlace(place)
	if !ok || err != nil {
		return codecommit.File{}, ok, err
	}
	if f, known := s.fetched[at]; known {
		return f, true, nil
	}
	client, err := codecommit.Open(ctx, aws.Options{}, aws.Env{Clock: s.Clock, Lookup: func(name string) string { return s.environ[name] }, Waits: s.waits("CodeCommit")})
	if err != nil {
		return codecommit.File{}, true, err
	}
	s.closers = append(s.closers, client)
	f, err := client.File(ctx, at)
	if err != nil {
		return codecommit.File{}, true, err
	}
	if s.fetched == nil {
		s.fetched = make(map[codecommit.Place]codecommit.File)
	}
	s.fetched[at] = f
	return f, true, nil
}
