package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws"
)

// s3Segment is the size in bytes above which a segment in a bucket is sealed. An append sends its segment again. The number
// is part of the format: only if all writers agree on it does a segment that may still grow have none after it.
const s3Segment = 64 << 10

// An s3Ledger keeps each line as objects of a bucket. Writing the newest segment on condition that it still is what was
// read, or the next one on condition that there is none, is the compare-and-swap. An append is one request, and a look at
// what is known another, whatever the history.
type s3Ledger struct {
	lot
	desk[s3Head]
	bucket
	clock core.Clock
}

// An s3Head is where a line in a bucket ends; the zero value is that of an empty line.
type s3Head struct {
	count int    // of segments
	etag  string // of the newest
	open  []byte // its text
	end   end
}

func (h s3Head) tip() (end, bool) { return h.end, h.count > 0 }

func (h s3Head) is(other s3Head) bool { return h.count == other.count && h.etag == other.etag }

func openS3(ctx context.Context, place string, env Env) (store, error) {
	b, err := openBucket(ctx, place, env)
	if err != nil {
		return nil, err
	}
	l := &s3Ledger{bucket: b, clock: env.Clock}
	l.lot, l.desk = lot{l}, newDesk(l)
	return l, nil
}

// s3Name names a segment so that the newest comes first in a list, whose first entry is all that is asked for.
func s3Name(i int) string { return fmt.Sprintf("%06d.jsonl", 999_999-i) }

func (l *s3Ledger) key(line core.Line, i int) string {
	return l.prefix + line.String() + "/" + s3Name(i)
}

// Requests implements [core.Counted].
func (l *s3Ledger) Requests() int { return l.session.Requests() }

// Close implements [io.Closer].
func (l *s3Ledger) Close() error { return l.session.Close() }

// look asks where a line ends now. A segment that may still grow is the newest for as long as it does not change.
func (l *s3Ledger) look(ctx context.Context, line core.Line) (s3Head, error) {
	known := l.heads[line]
	if known.count > 0 && len(known.open) <= s3Segment {
		text, etag, err := l.get(ctx, l.key(line, known.count-1), known.etag)
		switch {
		case aws.Status(err) == http.StatusNotModified:
			return known, nil
		case err == nil && len(text) <= s3Segment:
			return l.saw(line, known.count, text, etag)
		case err != nil && aws.Status(err) != http.StatusNotFound:
			return s3Head{}, err
		}
	}
	return l.find(ctx, line)
}

// find looks for the newest segment of a line, of which nothing is known.
func (l *s3Ledger) find(ctx context.Context, line core.Line) (s3Head, error) {
	delete(l.heads, line)
	folder := l.prefix + line.String() + "/"
	keys, _, err := l.list(ctx, folder, 1, "")
	if err != nil || len(keys) == 0 {
		return s3Head{}, err
	}
	name := strings.TrimPrefix(keys[0], folder)
	var i int
	if _, err := fmt.Sscanf(name, "%06d.jsonl", &i); err != nil || name != s3Name(999_999-i) {
		return s3Head{}, &CorruptError{File: l.show(keys[0]), Err: errors.New("it is no segment")}
	}
	text, etag, err := l.get(ctx, keys[0], "")
	if err != nil {
		return s3Head{}, err
	}
	return l.saw(line, 1_000_000-i, text, etag)
}

// saw keeps where a line ends.
func (l *s3Ledger) saw(line core.Line, count int, text []byte, etag string) (s3Head, error) {
	h := s3Head{count: count, etag: etag, open: text}
	events, err := l.segments(line, h).parse(count-1, text)
	if err != nil {
		return s3Head{}, err
	}
	h.end = endOf(events[len(events)-1])
	l.heads[line] = h
	return h, nil
}

func (l *s3Ledger) segments(line core.Line, h s3Head) segments {
	return segments{
		line:  line,
		count: h.count,
		step:  8, // each segment is a request
		name:  func(i int) string { return l.show(l.key(line, i)) },
		load: func(ctx context.Context, from, to int) ([][]byte, error) {
			texts := make([][]byte, 0, to-from)
			for i := from; i < to; i++ {
				if i == h.count-1 {
					texts = append(texts, h.open)
					continue
				}
				text, _, err := l.get(ctx, l.key(line, i), "")
				if aws.Status(err) == http.StatusNotFound {
					return nil, &CorruptError{File: l.show(l.key(line, i)), Err: errors.New("it is missing")}
				}
				if err != nil {
					return nil, err
				}
				texts = append(texts, text)
			}
			return texts, nil
		},
	}
}

// add implements place.
func (l *s3Ledger) add(ctx context.Context, line core.Line, h s3Head, text []byte, events []core.Event) error {
	next := s3Head{count: h.count, open: slices.Concat(h.open, text), end: endOf(events[len(events)-1])}
	if h.count == 0 || len(h.open) > s3Segment {
		next.count, next.open = h.count+1, text
	}
	return l.move(ctx, line, h, next, text)
}

// move writes the segment that takes a line from one end to the next. Whatever a failed write says, the bucket decides what
// happened: the answer may have been lost after the object was written, and a second try of it then meets its own work.
func (l *s3Ledger) move(ctx context.Context, line core.Line, from, to s3Head, text []byte) error {
	pause := firstPause
	for n := 1; ; n++ {
		etag, failed := l.write(ctx, line, from, to)
		if failed == nil {
			to.etag = etag
			l.heads[line] = to
			return nil
		}
		refused := l.refused(ctx, "write "+l.show(l.key(line, to.count-1)), l.allow("s3:PutObject"), failed)
		now, err := l.look(ctx, line)
		switch {
		case err != nil:
			return errors.Join(refused, err)
		case !now.is(from):
			ours, err := l.segments(line, now).holds(ctx, text, from.end.seq)
			if err != nil || ours {
				return err
			}
			return conflict(line, now.end, from.end.seq)
		case !collided(failed) || n == tries:
			return refused
		}
		// Another writer was at it at the same time, and did not get through either.
		if err := l.clock.Wait(ctx, l.clock.Now().Add(pause)); err != nil {
			return errors.Join(err, refused)
		}
		pause *= 2
	}
}

// collided reports whether an object was not written because somebody else was at it.
func collided(err error) bool {
	return aws.Status(err) == http.StatusConflict || aws.Status(err) == http.StatusPreconditionFailed
}

// write puts the newest segment of to, on condition that the line still ends at from.
func (l *s3Ledger) write(ctx context.Context, line core.Line, from, to s3Head) (etag string, err error) {
	in := l.object(l.key(line, to.count-1), to.open)
	in.ContentType = sdk.String("application/jsonl")
	if to.count > from.count {
		in.IfNoneMatch = sdk.String("*")
	} else {
		in.IfMatch = sdk.String(from.etag)
	}
	out, err := l.api.PutObject(ctx, in)
	if err != nil {
		return "", err
	}
	return sdk.ToString(out.ETag), nil
}

// get reads an object to its end. One that has an ETag already is an answer with status 304.
func (b bucket) get(ctx context.Context, key, etag string) (text []byte, now string, err error) {
	in := &s3.GetObjectInput{Bucket: &b.name, Key: &key, ExpectedBucketOwner: b.owner}
	if etag != "" {
		in.IfNoneMatch = &etag
	}
	pause := firstPause
	for n := 1; ; n++ {
		out, err := b.api.GetObject(ctx, in)
		if err != nil {
			return nil, "", b.refused(ctx, "show "+b.show(key), b.allow("s3:GetObject"), err)
		}
		text, err := io.ReadAll(out.Body)
		out.Body.Close()
		if err == nil {
			return text, sdk.ToString(out.ETag), nil
		}
		if ctx.Err() != nil || n == tries {
			return nil, "", b.refused(ctx, "show "+b.show(key), "", err)
		}
		// The answer was cut off. The SDK tries again only until an answer has begun.
		if err := b.clock.Wait(ctx, b.clock.Now().Add(pause)); err != nil {
			return nil, "", err
		}
		pause *= 2
	}
}

// object is what writes an object, encrypted as the URL of the ledger says.
func (b bucket) object(key string, text []byte) *s3.PutObjectInput {
	return &s3.PutObjectInput{
		Bucket: &b.name, Key: &key, Body: bytes.NewReader(text), ExpectedBucketOwner: b.owner,
		ServerSideEncryption: b.encryption, SSEKMSKeyId: b.kmsKey,
	}
}
