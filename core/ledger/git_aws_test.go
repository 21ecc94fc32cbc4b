package ledger

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/ledger/ledgertest"
)

const awsHost = "git-codecommit.eu-west-1.amazonaws.com"

// A codeCommit is git as CodeCommit lets it in: each request needs a signature that is not older than some minutes.
type codeCommit struct {
	t       *testing.T
	git     http.Handler
	port    string
	mu      sync.Mutex
	now     time.Time
	allowed int      // requests that were let in
	refused int      // that were asked for a login
	wrong   []string // logins that are none
}

func newCodeCommit(t *testing.T) *codeCommit {
	t.Helper()
	root := t.TempDir()
	bare := filepath.Join(root, "v1", "repos", "shop")
	where, err := exec.Command("git", "--exec-path").Output()
	if err == nil {
		err = exec.Command("git", "init", "--quiet", "--bare", bare).Run()
	}
	if err == nil {
		err = exec.Command("git", "-C", bare, "config", "http.receivepack", "true").Run()
	}
	if err != nil {
		t.Fatal(err)
	}
	c := &codeCommit{t: t, now: time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC), git: &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(where)), "git-http-backend"), Root: "/", Dir: root,
		Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "PATH=" + os.Getenv("PATH")}, InheritEnv: []string{"HOME"},
	}}
	server := httptest.NewTLSServer(c)
	t.Cleanup(server.Close)
	c.port = server.URL[strings.LastIndexByte(server.URL, ':')+1:]
	return c
}

func (c *codeCommit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, ok := r.BasicAuth()
	c.mu.Lock()
	switch {
	case !ok:
		c.refused++
	case !c.good(user, password):
		c.wrong = append(c.wrong, user+" "+password)
		ok = false
	default:
		c.allowed++
	}
	c.mu.Unlock()
	if !ok {
		w.Header().Set("WWW-Authenticate", `Basic realm="AWS CodeCommit"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if strings.HasSuffix(r.Host, ":"+c.port) && strings.HasPrefix(r.Host, awsHost) {
		c.git.ServeHTTP(w, r)
		return
	}
	c.t.Errorf("somebody asks %s", r.Host)
}

// good verifies a login as CodeCommit would.
func (c *codeCommit) good(user, password string) bool {
	stamp, signature, ok := strings.Cut(password, "Z")
	at, err := time.Parse("20060102T150405", stamp)
	if !ok || err != nil || user != "ASIAJOB%session/token" || c.now.Sub(at).Abs() > 5*time.Minute {
		return false
	}
	key := []byte("AWS4the secret key")
	request := sha256.Sum256([]byte("GIT\n/v1/repos/shop\n\nhost:" + awsHost + "\n\nhost\n"))
	for _, part := range []string{stamp[:8], "eu-west-1", "codecommit", "aws4_request",
		fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s/eu-west-1/codecommit/aws4_request\n%x", stamp, stamp[:8], request)} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	return fmt.Sprintf("%x", key) == signature
}

// Now and Wait make it the clock of who asks too: time passes between two commands and never by itself.
func (c *codeCommit) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *codeCommit) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// A builder waits for nothing.
type builder struct {
	clock
	*codeCommit
}

func (b builder) Now() time.Time { return b.codeCommit.Now() }

func (c *codeCommit) url() string { return "https://" + awsHost + ":" + c.port + "/v1/repos/shop" }

// env is a build's, in which the name of CodeCommit leads here, and whose own helper keeps what it is given.
func (c *codeCommit) env(t *testing.T, environ ...string) Env {
	home := t.TempDir()
	config := fmt.Sprintf("[http]\n\tsslVerify = false\n\tcurloptResolve = %s:%s:127.0.0.1\n[credential]\n\thelper = store --file %s\n", awsHost, c.port, filepath.Join(home, "kept"))
	if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	clean := slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "AWS_") || strings.HasPrefix(e, "HOME=") })
	return Env{Dir: home, Clock: builder{codeCommit: c}, Environ: slices.Concat(clean, []string{"HOME=" + home, "GIT_CONFIG_NOSYSTEM=1",
		"AWS_ACCESS_KEY_ID=ASIAJOB", "AWS_SECRET_ACCESS_KEY=the secret key", "AWS_SESSION_TOKEN=session/token"}, environ)}
}

// TestGitOnCodeCommit: a ledger there is reached by a signature of the moment, and nothing of it stays anywhere.
func TestGitOnCodeCommit(t *testing.T) {
	t.Parallel()
	c := newCodeCommit(t)
	env := c.env(t)
	l := open(t, "git:"+c.url(), env)
	events := ledgertest.Rollout("r1", 0, 3)
	add(t, l, 0, events[0])
	c.pass(3 * time.Hour) // longer than any signature
	add(t, l, 1, events[1:]...)
	if n := length(t, open(t, "git:"+c.url(), c.env(t))); n != 3 {
		t.Errorf("the line has %d events; want 3", n)
	}
	if err := l.Park(t.Context(), core.Marker{Line: line}, c.Now()); err != nil {
		t.Fatal(err)
	}
	if c.allowed == 0 || c.refused == 0 || len(c.wrong) > 0 {
		t.Errorf("%d requests were let in, %d were asked for a login, and these had a wrong one: %q", c.allowed, c.refused, c.wrong)
	}
	if kept, err := os.ReadFile(filepath.Join(env.Dir, "kept")); len(kept) > 0 {
		t.Errorf("git's own helper keeps %q, %v", kept, err)
	}
	f, err := FileAt(t.Context(), c.url(), "refs/breakwater/checkout/production", "000/000.jsonl", c.env(t))
	if err != nil || !strings.Contains(string(f.Text), `"rollout":"r1"`) {
		t.Errorf("a file there is %q, %v", f.Text, err)
	}
}

// TestGitOfOthersOnCodeCommit: without credentials of AWS, or with wrong ones, it is git's to say no; no error shows a secret.
func TestGitOfOthersOnCodeCommit(t *testing.T) {
	t.Parallel()
	c := newCodeCommit(t)
	_, err := open(t, "git:"+c.url(), c.env(t, "AWS_SECRET_ACCESS_KEY=another secret")).Read(t.Context(), line)
	wantError(t, err, "cannot read refs/breakwater/checkout/production on "+c.url(), "Authentication failed", "CodeCommit: codecommit:GitPull and GitPush")
	if len(c.wrong) == 0 || strings.Contains(err.Error(), "ASIAJOB") || strings.Contains(err.Error(), "session/token") {
		t.Errorf("the error is %v; wrong logins: %q", err, c.wrong)
	}
	none := c.env(t, "AWS_ACCESS_KEY_ID=", "AWS_PROFILE=", "AWS_EC2_METADATA_DISABLED=true")
	if err := os.WriteFile(filepath.Join(none.Dir, "kept"), []byte("https://ASIAJOB%25session%2ftoken:nonsense@"+awsHost+"%3a"+c.port+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.wrong = nil
	_, err = open(t, "git:"+c.url(), none).Read(t.Context(), line)
	wantError(t, err, "Authentication failed")
	if !slices.Contains(c.wrong, "ASIAJOB%session/token nonsense") {
		t.Errorf("git's own helper was not asked: %q", c.wrong)
	}
}
