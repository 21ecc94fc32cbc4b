// Package s3test is a small S3: one bucket with versions, conditional writes, and lists in pages.
//
// AWS publishes no description of S3 that requests could be checked against here, so what is not known by name is
// refused: a header, a parameter or a body that S3 would not take, or that nobody has thought about yet, fails the test.
package s3test

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/breakwater-ci/breakwater/core/standin"
)

const (
	// Bucket is the one that there is.
	Bucket = "ledgers"
	// Region is where it is.
	Region = "eu-west-1"
	// Account is whose it is.
	Account = "123456789012"

	// mostKeys is how many a list has at most, whatever it is asked for.
	mostKeys = 1000
)

// A Meddler stands before the server.
type Meddler = standin.Meddler

// A Server is S3 with one bucket.
type Server struct {
	standin.Front // what is noted is the action that a request needs, and the key or prefix

	URL string

	t testing.TB

	mu      sync.Mutex
	objects map[string]*object
	page    int
	writes  int
}

// An object is what a key has. A versioned bucket keeps what was overwritten or removed.
type object struct {
	versions []Version
	deleted  bool
}

// A Version is one state of an object.
type Version struct {
	Text       string
	ETag       string
	Encryption string // algorithm, and the key after a blank
}

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, objects: make(map[string]*object), page: mostKeys}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Environ is the environment of a job that may use the bucket.
func (s *Server) Environ() []string {
	return []string{"AWS_ENDPOINT_URL=" + s.URL, "AWS_ACCESS_KEY_ID=AKIDTEST", "AWS_SECRET_ACCESS_KEY=secret", "AWS_REGION=" + Region}
}

// Page makes lists shorter.
func (s *Server) Page(keys int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.page = keys
}

// Versions are all states that a key ever had, oldest first.
func (s *Server) Versions(key string) []Version {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.objects[key]; o != nil {
		return slices.Clone(o.versions)
	}
	return nil
}

// Keys are those that have an object, in order.
func (s *Server) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys("")
}

func (s *Server) keys(prefix string) []string {
	var found []string
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if strings.HasPrefix(key, prefix) && !s.objects[key].deleted {
			found = append(found, key)
		}
	}
	return found
}

// Put writes an object as another program would; Remove takes one away.
func (s *Server) Put(key, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(key, text, "")
}

// Remove takes an object away.
func (s *Server) Remove(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[key].deleted = true
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.Serve(w, r, s.serve) }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the connection is gone
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if wrong := check(r, body); wrong != "" {
		s.t.Errorf("%s %s: %s", r.Method, r.URL, wrong)
		fail(w, 400, "InvalidRequest", wrong)
		return
	}
	owner := r.Header.Get("X-Amz-Expected-Bucket-Owner")
	switch {
	case path != Bucket:
		fail(w, 404, "NoSuchBucket", "The specified bucket does not exist")
	case owner != "" && owner != Account:
		fail(w, 403, "AccessDenied", "Access Denied")
	case r.Method == "GET" && key == "":
		s.Note("s3:ListBucket " + r.URL.Query().Get("prefix"))
		s.list(w, r)
	case r.Method == "GET":
		s.Note("s3:GetObject " + key)
		s.get(w, r, key)
	case r.Method == "PUT" && key != "":
		s.Note("s3:PutObject " + key)
		s.write(w, r, key, string(body))
	case r.Method == "DELETE" && key != "":
		s.Note("s3:DeleteObject " + key)
		if o := s.objects[key]; o != nil {
			o.deleted = true
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		s.t.Errorf("%s %s is not served here", r.Method, r.URL)
		fail(w, 405, "MethodNotAllowed", "The specified method is not allowed against this resource")
	}
}

// What a request may have, by method: beside what every signed request has.
var (
	always = []string{"Accept-Encoding", "Amz-Sdk-Invocation-Id", "Amz-Sdk-Request", "Authorization", "User-Agent", "X-Amz-Content-Sha256",
		"X-Amz-Date", "X-Amz-Expected-Bucket-Owner", "X-Amz-Security-Token"}
	headers = map[string][]string{
		"GET": {"If-None-Match", "X-Amz-Checksum-Mode"},
		"PUT": {"Content-Length", "Content-Type", "Expect", "If-Match", "If-None-Match", "X-Amz-Checksum-Crc32", "X-Amz-Sdk-Checksum-Algorithm",
			"X-Amz-Server-Side-Encryption", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"},
	}
	parameters = []string{"continuation-token", "list-type", "max-keys", "prefix", "x-id"}
	signed     = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=\w+/[0-9]{8}/` + Region + `/s3/aws4_request, SignedHeaders=[a-z0-9;-]+, Signature=[0-9a-f]{64}$`)
)

// check says what S3 would not take of a request.
func check(r *http.Request, body []byte) string {
	for name := range r.Header {
		if !slices.Contains(always, name) && !slices.Contains(headers[r.Method], name) {
			return "the header " + name + " is not known"
		}
	}
	for name := range r.URL.Query() {
		if !slices.Contains(parameters, name) {
			return "the parameter " + name + " is not known"
		}
	}
	sum := sha256.Sum256(body)
	crc := checksum(body)
	encryption, kms := r.Header.Get("X-Amz-Server-Side-Encryption"), r.Header.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id")
	switch {
	case !signed.MatchString(r.Header.Get("Authorization")):
		return "it is not signed for S3 in " + Region
	case r.Header.Get("X-Amz-Content-Sha256") != hex.EncodeToString(sum[:]):
		return "the body is not what was signed"
	case r.Method == "PUT" && r.Header.Get("X-Amz-Checksum-Crc32") != crc:
		return "the body does not match its checksum"
	case r.Method == "PUT" && r.Header.Get("If-None-Match") != "" && (r.Header.Get("If-None-Match") != "*" || r.Header.Get("If-Match") != ""):
		return "a write has one condition: If-Match with an ETag, or If-None-Match: *"
	case !slices.Contains([]string{"", "AES256", "aws:kms", "aws:kms:dsse"}, encryption), kms != "" && !strings.HasPrefix(encryption, "aws:kms"):
		return "there is no such encryption"
	}
	return ""
}

// checksum is how S3 writes a CRC-32.
func checksum(text []byte) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(text)))
}

func (s *Server) get(w http.ResponseWriter, r *http.Request, key string) {
	o := s.objects[key]
	if o == nil || o.deleted {
		fail(w, 404, "NoSuchKey", "The specified key does not exist.")
		return
	}
	now := o.versions[len(o.versions)-1]
	w.Header().Set("ETag", now.ETag)
	if r.Header.Get("If-None-Match") == now.ETag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if r.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" {
		w.Header().Set("X-Amz-Checksum-Crc32", checksum([]byte(now.Text)))
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(now.Text)))
	io.WriteString(w, now.Text)
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, key, text string) {
	o := s.objects[key]
	there := o != nil && !o.deleted
	match := r.Header.Get("If-Match")
	switch {
	case match != "" && !there:
		fail(w, 404, "NoSuchKey", "The specified key does not exist.")
		return
	case match != "" && o.versions[len(o.versions)-1].ETag != match, r.Header.Get("If-None-Match") == "*" && there:
		fail(w, 412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
		return
	}
	encryption := strings.TrimSpace(r.Header.Get("X-Amz-Server-Side-Encryption") + " " + r.Header.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"))
	w.Header().Set("ETag", s.put(key, text, encryption))
}

func (s *Server) put(key, text, encryption string) string {
	s.writes++
	tag := fmt.Sprintf(`"%x"`, md5.Sum([]byte(text)))
	if strings.HasPrefix(encryption, "aws:kms") {
		tag = fmt.Sprintf(`"%x"`, md5.Sum(fmt.Appendf(nil, "%d %s", s.writes, text))) // it tells nothing of the content then
	}
	o := s.objects[key]
	if o == nil {
		o = &object{}
		s.objects[key] = o
	}
	o.versions, o.deleted = append(o.versions, Version{text, tag, encryption}), false
	return tag
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	ask := r.URL.Query()
	most, err := strconv.Atoi(ask.Get("max-keys"))
	if err != nil || most < 1 || ask.Get("list-type") != "2" {
		s.t.Errorf("GET %s: it is no list of version 2", r.URL)
		fail(w, 400, "InvalidArgument", "max-keys")
		return
	}
	type contents struct{ Key, ETag string }
	answer := struct {
		XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
		Name, Prefix          string
		KeyCount, MaxKeys     int
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []contents
	}{Name: Bucket, Prefix: ask.Get("prefix"), MaxKeys: most}
	most = min(most, s.page)
	after, _ := base64.StdEncoding.DecodeString(ask.Get("continuation-token"))
	for _, key := range s.keys(ask.Get("prefix")) {
		if key <= string(after) {
			continue
		}
		if len(answer.Contents) == most {
			answer.IsTruncated = true
			answer.NextContinuationToken = base64.StdEncoding.EncodeToString([]byte(answer.Contents[most-1].Key))
			break
		}
		o := s.objects[key]
		answer.Contents = append(answer.Contents, contents{key, o.versions[len(o.versions)-1].ETag})
	}
	answer.KeyCount = len(answer.Contents)
	text, err := xml.Marshal(answer)
	if err != nil {
		s.t.Error(err)
	}
	w.Header().Set("Content-Type", "application/xml")
	w.Write(text)
}

// fail answers as S3 does when it does not do something.
func fail(w http.ResponseWriter, status int, code, message string) {
	Refuse(status, code, message)(w, nil, nil)
}

// Refuse is a meddler that answers every request with an error.
func Refuse(status int, code, message string) Meddler {
	return func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message><RequestId>fake</RequestId></Error>", code, message)
	}
}
