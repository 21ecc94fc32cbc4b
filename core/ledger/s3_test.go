package ledger

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws/s3test"
	"github.com/breakwater-ci/breakwater/core/ledger/ledgertest"
)

const inBucket = "s3://" + s3test.Bucket + "/teams/shop"

func onS3(server *s3test.Server) Env { return Env{Environ: server.Environ(), Clock: clock{}} }

// release is an event that may follow any other of rollout r1.
func release(seq int64) core.Event {
	return core.Event{Seq: seq, Type: core.EventReleased, Rollout: "r1", Actor: "x"}
}

// TestS3Thrift counts the requests: they must not grow with the history.
func TestS3Thrift(t *testing.T) {
	t.Parallel()
	server := s3test.New(t)
	l := open(t, inBucket, onS3(server))
	asks := func(want string, do func()) {
		t.Helper()
		before := len(server.Asked())
		do()
		var got []string
		for _, asked := range server.Asked()[before:] {
			action, _, _ := strings.Cut(asked, " ")
			got = append(got, strings.TrimPrefix(action, "s3:"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("it takes %q; want %q", got, want)
		}
	}
	read := func(l core.Ledger) func() {
		return func() {
			if _, err := l.Read(t.Context(), line); err != nil {
				t.Fatal(err)
			}
		}
	}
	asks("ListBucket PutObject", func() { add(t, l, 0, ledgertest.Rollout("r1", 0, 1)...) })
	asks("PutObject", func() { add(t, l, 1, release(2)) })
	asks("GetObject", read(l))
	for seq := int64(3); seq <= 30; seq++ {
		e := release(seq)
		e.Reason = strings.Repeat("a long story\n", 1000)
		asks("PutObject", func() { add(t, l, seq-1, e) })
	}
	add(t, l, 30, ledgertest.Rollout("r2", 30, 2)...)
	asks("GetObject", read(l))
	asks("ListBucket GetObject", read(open(t, inBucket, onS3(server))))
	cold := open(t, inBucket, onS3(server))
	asks("ListBucket GetObject PutObject", func() {
		add(t, cold, 32, core.Event{Seq: 33, Type: core.EventReleased, Rollout: "r2", Actor: "x"})
	})
	if n := length(t, cold); n != 33 {
		t.Errorf("the line has %d events", n)
	}
	if n := l.Requests(); n < 30 {
		t.Errorf("Requests() = %d", n)
	}
	var largest int
	for _, key := range server.Keys() {
		for _, v := range server.Versions(key) {
			largest = max(largest, len(v.Text))
		}
	}
	if largest > s3Segment+20_000 {
		t.Errorf("an append sends %d bytes", largest)
	}
}

// TestS3Objects: how objects are named and encrypted, and that none is ever overwritten by less.
func TestS3Objects(t *testing.T) {
	t.Parallel()
	server := s3test.New(t)
	const key = "arn:aws:kms:eu-west-1:123456789012:key/1"
	l := open(t, inBucket+"?region=eu-west-1&sse=aws:kms&account="+s3test.Account+"&key="+key, onS3(server))
	add(t, l, 0, ledgertest.Rollout("r1", 0, 2)...)
	add(t, l, 2, release(3))
	if err := l.Park(t.Context(), core.Marker{Line: line}, noon); err != nil {
		t.Fatal(err)
	}
	keys := server.Keys()
	if len(keys) != 2 || !strings.HasPrefix(keys[0], "teams/shop/.parked/checkout/production/") || keys[1] != "teams/shop/checkout/production/999999.jsonl" {
		t.Fatalf("keys are %q", keys)
	}
	for _, name := range keys {
		versions := server.Versions(name)
		for i, v := range versions {
			if v.Encryption != "aws:kms "+key {
				t.Errorf("%s is encrypted by %q", name, v.Encryption)
			}
			if i > 0 && !strings.HasPrefix(v.Text, versions[i-1].Text) {
				t.Errorf("version %d of %s does not begin with the one before", i+1, name)
			}
		}
	}
	root := open(t, "s3://"+s3test.Bucket, onS3(server))
	add(t, root, 0, ledgertest.Rollout("r9", 0, 1)...)
	if !slices.Contains(server.Keys(), "checkout/production/999999.jsonl") {
		t.Errorf("keys are %q", server.Keys())
	}
}

// TestS3ParkedInPages: a list in pages is read to its end.
func TestS3ParkedInPages(t *testing.T) {
	t.Parallel()
	server := s3test.New(t)
	l := open(t, inBucket, onS3(server))
	for i := range 7 {
		one := core.Line{Service: fmt.Sprint("service-", i), Environment: "prod"}
		if err := l.Append(t.Context(), one, 0, ledgertest.Rollout("r1", 0, 1)); err != nil {
			t.Fatal(err)
		}
		if err := l.Park(t.Context(), core.Marker{Line: one}, noon); err != nil {
			t.Fatal(err)
		}
	}
	server.Page(3)
	before := len(server.Asked())
	if all := ledgertest.Parked(t, l); len(all) != 7 {
		t.Errorf("%d lines are parked; want 7", len(all))
	}
	if n := len(server.Asked()) - before; n != 3 {
		t.Errorf("it takes %d requests; want 3", n)
	}
}

// spoil lets a fault happen a number of times. The path of a fault is part of that of the request, its query included.
func spoil(server *s3test.Server, f fault, times int) {
	var mu sync.Mutex
	server.Meddle(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		mu.Lock()
		hit := r.Method == f.method && strings.Contains(r.URL.RequestURI(), f.path) && times > 0
		if hit {
			times--
		}
		mu.Unlock()
		if !hit {
			serve(w, r)
			return
		}
		f.do(w, r, serve)
	})
}

// TestS3Faults: whatever goes wrong on the way, an append is in the ledger once, or not at all with an error.
func TestS3Faults(t *testing.T) {
	passing := map[string]func(http.ResponseWriter, *http.Request, http.HandlerFunc){
		"500":                       s3test.Refuse(500, "InternalError", "We encountered an internal error. Please try again."),
		"503 SlowDown":              s3test.Refuse(503, "SlowDown", "Please reduce your request rate."),
		"400 RequestTimeout":        s3test.Refuse(400, "RequestTimeout", "Your socket connection to the server was not read from or written to."),
		"connection lost before":    drop(false),
		"connection lost after":     drop(true),
		"an answer that is cut off": torn,
	}
	steps := []fault{{method: "GET", path: "list-type=2"}, {method: "GET", path: "999999.jsonl"}, {method: "PUT", path: "999999.jsonl"},
		{method: "PUT", path: ".parked/"}, {method: "DELETE", path: ".parked/"}}
	for name, do := range passing {
		for _, at := range steps {
			t.Run(name+" at "+at.method+at.path, func(t *testing.T) {
				t.Parallel()
				server := s3test.New(t)
				first := open(t, inBucket, onS3(server))
				add(t, first, 0, ledgertest.Rollout("r1", 0, 2)...)
				if err := first.Park(t.Context(), core.Marker{Line: line}, noon); err != nil {
					t.Fatal(err)
				}
				at.do = do
				spoil(server, at, 2)
				l := open(t, inBucket, onS3(server))
				add(t, l, 2, release(3))
				if n := length(t, open(t, inBucket, onS3(server))); n != 3 {
					t.Errorf("the line has %d events; want 3", n)
				}
				if err := l.Park(t.Context(), ledgertest.Parked(t, l)[0], noon.Add(time.Hour)); err != nil {
					t.Fatal(err)
				}
				if all := ledgertest.Parked(t, l); len(all) != 1 || len(all[0].Marks) != 1 || !all[0].Due.Equal(noon.Add(time.Hour)) {
					t.Errorf("%+v; want one marker that was moved", all)
				}
			})
		}
	}
}

// TestS3Conflicts: what S3 says of a write at the same time as another is settled by reading.
func TestS3Conflicts(t *testing.T) {
	for _, code := range []int{409, 412} {
		t.Run(fmt.Sprint(code, " and nobody wrote"), func(t *testing.T) {
			t.Parallel()
			server := s3test.New(t)
			l := open(t, inBucket, onS3(server))
			add(t, l, 0, ledgertest.Rollout("r1", 0, 2)...)
			spoil(server, fault{"PUT", "999999.jsonl", s3test.Refuse(code, "ConditionalRequestConflict", "as the test wants it")}, 2)
			add(t, l, 2, release(3))
			if n := length(t, l); n != 3 {
				t.Errorf("the line has %d events; want 3", n)
			}
			spoil(server, fault{"PUT", "999999.jsonl", s3test.Refuse(code, "ConditionalRequestConflict", "as the test wants it")}, 1000)
			err := l.Append(t.Context(), line, 3, []core.Event{release(4)})
			wantError(t, err, "as the test wants it (ConditionalRequestConflict)")
			if errors.Is(err, core.ErrConflict) {
				t.Error("it is taken for a conflict, but the line did not move")
			}
		})
	}
	t.Run("409 and somebody wrote", func(t *testing.T) {
		t.Parallel()
		server := s3test.New(t)
		l, other := open(t, inBucket, onS3(server)), open(t, inBucket, onS3(server))
		add(t, l, 0, ledgertest.Rollout("r1", 0, 2)...)
		spoil(server, fault{"PUT", "999999.jsonl", func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
			server.Meddle(nil)
			if err := other.Append(context.Background(), line, 2, []core.Event{release(3)}); err != nil {
				t.Error(err)
			}
			s3test.Refuse(409, "ConditionalRequestConflict", "x")(w, r, serve)
		}}, 1)
		if err := l.Append(t.Context(), line, 2, []core.Event{release(3)}); err != nil {
			t.Errorf("Append: %v; want none: the very same text is there", err)
		}
		mine := release(4)
		mine.Reason = "mine"
		add(t, other, 3, release(4))
		if err := l.Append(t.Context(), line, 3, []core.Event{mine}); !errors.Is(err, core.ErrConflict) {
			t.Errorf("Append: %v; want ErrConflict", err)
		}
	})
}

// TestS3LostAnswer: the object was written, nobody was told, and somebody else wrote since, also into the next segment.
func TestS3LostAnswer(t *testing.T) {
	for _, size := range []int{1, 10_000} {
		server := s3test.New(t)
		other := open(t, inBucket, onS3(server))
		add(t, other, 0, ledgertest.Rollout("r1", 0, 1)...)
		mine := release(2)
		mine.Reason = strings.Repeat("a long story\n", size)
		spoil(server, fault{"PUT", "999999.jsonl", func(_ http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
			server.Meddle(nil)
			serve(httptest.NewRecorder(), r)
			if err := other.Append(context.Background(), line, 2, []core.Event{release(3)}); err != nil {
				t.Error(err)
			}
			panic(http.ErrAbortHandler)
		}}, 1)
		if err := open(t, inBucket, onS3(server)).Append(t.Context(), line, 1, []core.Event{mine}); err != nil {
			t.Errorf("Append: %v; want none, the event is there", err)
		}
		if n := length(t, other); n != 3 {
			t.Errorf("the line has %d events; want 3", n)
		}
	}
}

func TestS3Refuses(t *testing.T) {
	denied := s3test.Refuse(403, "AccessDenied", "User: arn:aws:iam::1:user/x is not authorized")
	for _, c := range []struct {
		name, url string
		fault     fault
		want      []string
	}{
		{"no right to list", inBucket, fault{"GET", "list-type=2", denied}, []string{"list s3://ledgers/teams/shop/checkout/production/", "not authorized", "allow s3:ListBucket on arn:aws:s3:::ledgers"}},
		{"no right to read", inBucket, fault{"GET", "999999.jsonl", denied}, []string{"show s3://ledgers/teams/shop/checkout", "allow s3:GetObject on arn:aws:s3:::ledgers/teams/shop/*"}},
		{"no right to write", inBucket, fault{"PUT", "999999.jsonl", denied}, []string{"write s3://ledgers/", "allow s3:PutObject on arn:aws:s3:::ledgers/teams/shop/*"}},
		{"another account's", inBucket + "?account=210987654321", fault{}, []string{"must belong to account 210987654321"}},
		{"no such bucket", "s3://elsewhere", fault{}, []string{"The specified bucket does not exist (NoSuchBucket)"}},
		{"expired", inBucket, fault{"GET", "list-type=2", s3test.Refuse(400, "ExpiredToken", "The provided token has expired.")}, []string{"the credentials are wrong or have expired"}},
		{"down", inBucket, fault{"PUT", "999999.jsonl", s3test.Refuse(503, "SlowDown", "Please reduce your request rate.")}, []string{"Please reduce your request rate. (SlowDown)"}},
		{"gone", inBucket, fault{"GET", "list-type=2", drop(false)}, []string{"AWS could not be asked to list"}},
		{"region", inBucket, fault{"GET", "list-type=2", func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
			w.Header().Set("X-Amz-Bucket-Region", "us-east-1")
			s3test.Refuse(301, "PermanentRedirect", "The bucket must be addressed using the specified endpoint.")(w, r, nil)
		}}, []string{"add ?region=us-east-1 to the URL"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := s3test.New(t)
			add(t, open(t, inBucket, onS3(server)), 0, ledgertest.Rollout("r1", 0, 2)...)
			if c.fault.do != nil {
				spoil(server, c.fault, 1000)
			}
			err := open(t, c.url, onS3(server)).Append(t.Context(), line, 2, []core.Event{release(3)})
			wantError(t, err, c.want...)
			if errors.Is(err, core.ErrConflict) {
				t.Error("it is taken for a conflict")
			}
			server.Meddle(nil)
			if n := length(t, open(t, inBucket, onS3(server))); n != 2 {
				t.Errorf("the line has %d events; want 2", n)
			}
		})
	}
}

func TestS3Corrupt(t *testing.T) {
	t.Parallel()
	server := s3test.New(t)
	long := release(2)
	long.Reason = strings.Repeat("a long story\n", 10_000)
	first := open(t, inBucket, onS3(server))
	add(t, first, 0, ledgertest.Rollout("r1", 0, 1)...)
	add(t, first, 1, long)
	add(t, first, 2, release(3))
	const folder = "teams/shop/checkout/production/"
	server.Remove(folder + "999999.jsonl")
	_, err := open(t, inBucket, onS3(server)).Read(t.Context(), line)
	wantError(t, err, "the ledger is corrupt: s3://ledgers/"+folder+"999999.jsonl: it is missing")
	server.Put(folder+"999998.jsonl", "")
	_, err = open(t, inBucket, onS3(server)).Read(t.Context(), line)
	wantError(t, err, "corrupt", "it is empty")
	server.Put(folder+"0-notes.txt", "hello")
	_, err = open(t, inBucket, onS3(server)).Read(t.Context(), line)
	wantError(t, err, "corrupt", "0-notes.txt: it is no segment")
	for _, key := range server.Keys() {
		server.Remove(key)
	}
	_, err = first.Read(t.Context(), line)
	wantError(t, err, "went back from event 3 to 0")
}

func TestS3URL(t *testing.T) {
	for url, want := range map[string]string{
		"s3:bucket/x":                            "write s3://BUCKET/PREFIX",
		"s3://Bucket":                            `"Bucket" is no bucket`,
		"s3://bucket/a//b":                       "cannot begin the keys",
		"s3://bucket/a?regoin=eu-west-1":         `option "regoin" is unknown`,
		"s3://bucket/a?sse=rot13":                `sse is "rot13"`,
		"s3://bucket/a?sse=AES256&key=x":         "key goes with sse=aws:kms",
		"s3://bucket/a?account=12":               "not 12 digits",
		"s3://bucket/a?region=%zz":               "cannot be read",
		"s3://bucket/a?region=Ireland":           "not a name as eu-west-1",
		"s3://bucket/a?role=me&region=eu-west-1": `role is "me"`,
	} {
		_, err := Open(t.Context(), url, Env{Clock: clock{}})
		wantError(t, err, want)
	}
}
