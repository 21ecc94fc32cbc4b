package ledger

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/breakwater-ci/breakwater/core"
)

// marksAtOnce is the most that S3 lists in one answer.
const marksAtOnce = 1000

func (l *s3Ledger) parked() string { return l.prefix + parkedFolder + "/" }

// marks implements shelf: one request for every thousand lines.
func (l *s3Ledger) marks(ctx context.Context) ([]string, error) {
	var marks []string
	for token := ""; ; {
		keys, next, err := l.list(ctx, l.parked(), marksAtOnce, token)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			marks = append(marks, strings.TrimPrefix(key, l.parked()))
		}
		if next == "" {
			return marks, nil
		}
		token = next
	}
}

// putMark implements shelf. It is one request where the process has read or written the line already. One whose answer was
// lost is sent again, and writes the same.
func (l *s3Ledger) putMark(ctx context.Context, line core.Line, mark string) error {
	if err := l.turn.begin(ctx, line); err != nil {
		return err
	}
	defer l.turn.done()
	h := l.heads[line]
	if h.count == 0 {
		var err error
		if h, err = l.look(ctx, line); err != nil {
			return err
		}
	}
	if h.count == 0 {
		return errUnmarked(line)
	}
	key := l.parked() + mark
	if _, err := l.api.PutObject(ctx, l.object(key, nil)); err != nil {
		return l.refused(ctx, "write "+l.show(key), l.allow("s3:PutObject"), err)
	}
	return nil
}

// dropMarks implements shelf. To remove what is gone is no error to S3.
func (l *s3Ledger) dropMarks(ctx context.Context, _ core.Line, marks []string) error {
	var failed []error
	for _, mark := range marks {
		key := l.parked() + mark
		if _, err := l.api.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &l.name, Key: &key, ExpectedBucketOwner: l.owner}); err != nil {
			failed = append(failed, l.refused(ctx, "remove "+l.show(key), "s3:DeleteObject on arn:aws:s3:::"+l.name+"/"+l.parked()+"*", err))
		}
	}
	return errors.Join(failed...)
}
