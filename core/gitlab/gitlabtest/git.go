package gitlabtest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

const zero = "0000000000000000000000000000000000000000"

// Git runs git in the repository.
func (s *Server) Git(args ...string) string {
	s.t.Helper()
	out, err := s.git(nil, nil, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *Server) git(in []byte, environ []string, args ...string) (string, error) {
	cmd := exec.Command("git", append([]string{"--git-dir", s.Dir}, args...)...)
	who := []string{"GIT_AUTHOR_NAME=Project bot", "GIT_AUTHOR_EMAIL=bot@example.com", "GIT_COMMITTER_NAME=Project bot", "GIT_COMMITTER_EMAIL=bot@example.com"}
	cmd.Env = append(append(os.Environ(), who...), environ...)
	cmd.Stdin = bytes.NewReader(in)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, complaints.String())
	}
	return string(out), nil
}

// seed makes the project's first commit, and hides from git what GitLab's own git server hides.
func (s *Server) seed() {
	blob, err := s.git([]byte("test: {script: make}\n"), nil, "hash-object", "-w", "--stdin")
	if err != nil {
		s.t.Fatal(err)
	}
	tree, err := s.git(fmt.Appendf(nil, "100644 blob %s\t.gitlab-ci.yml\n", strings.TrimSpace(blob)), nil, "mktree")
	if err != nil {
		s.t.Fatal(err)
	}
	commit := strings.TrimSpace(s.Git("commit-tree", "-m", "first", strings.TrimSpace(tree)))
	s.Git("update-ref", "refs/heads/main", commit)
	for _, hidden := range []string{"refs/environments/", "refs/keep-around/", "refs/merge-requests/", "refs/pipelines/", "refs/tmp/"} {
		s.Git("config", "--add", "receive.hideRefs", hidden)
	}
	s.Git("config", "http.receivepack", "true")
	s.Git("config", "uploadpack.allowFilter", "true")
}

// Main is the newest commit of the project's default branch.
func (s *Server) Main() string { return strings.TrimSpace(s.Git("rev-parse", "refs/heads/main")) }

// serveGit lets git in over HTTP, as GitLab does: a job's token may push only where the project says so.
func (s *Server) serveGit(w http.ResponseWriter, r *http.Request) {
	_, password, _ := r.BasicAuth()
	s.mu.Lock()
	jobsMayPush := s.state.JobsMayPush
	s.mu.Unlock()
	pushes := r.FormValue("service") == "git-receive-pack" || strings.HasSuffix(r.URL.Path, "/git-receive-pack")
	switch {
	case password != Token && password != JobToken:
		w.Header().Set("WWW-Authenticate", `Basic realm="GitLab"`)
		http.Error(w, "HTTP Basic: Access denied.", http.StatusUnauthorized)
		return
	case pushes && password == JobToken && !jobsMayPush:
		http.Error(w, "You are not allowed to upload code.", http.StatusForbidden)
		return
	}
	where, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	r.URL.Path = strings.TrimPrefix(r.URL.Path, "/acme")
	backend := &cgi.Handler{Path: filepath.Join(strings.TrimSpace(string(where)), "git-http-backend"), Root: "/",
		Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(s.Dir), "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=job", "GIT_PROTOCOL=" + r.Header.Get("Git-Protocol")}}
	backend.ServeHTTP(w, r)
}

// routesFiles are branches, folders and files.
func (s *Server) routesFiles() {
	s.handle(endpoint{method: "GET", path: "/projects/{id}"}, func(*http.Request, map[string]any) (int, any) {
		return http.StatusOK, map[string]any{"id": 7, "path_with_namespace": Project, "default_branch": "main"}
	})
	s.handle(endpoint{method: "GET", path: "/projects/{id}/repository/branches", query: []string{"search", "regex"}}, func(r *http.Request, _ map[string]any) (int, any) {
		out, err := s.git(nil, nil, "for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads/")
		if err != nil {
			return http.StatusInternalServerError, failure(err.Error())
		}
		asked, first := strings.CutPrefix(r.FormValue("search"), "^")
		asked, last := strings.CutSuffix(asked, "$")
		search := regexp.QuoteMeta(asked)
		if first {
			search = "^" + search
		}
		if last {
			search += "$"
		}
		var found [][2]string
		for line := range strings.Lines(out) {
			commit, name, _ := strings.Cut(strings.TrimSpace(line), " ")
			if regexp.MustCompile(search).MatchString(name) {
				found = append(found, [2]string{name, commit})
			}
		}
		return list(r, found, func(b [2]string) map[string]any {
			return map[string]any{"name": b[0], "commit": map[string]any{"id": b[1]}}
		})
	})
	s.handle(endpoint{method: "GET", path: "/projects/{id}/repository/tree", query: []string{"path", "ref", "recursive", "pagination", "page_token"}}, s.tree)
	s.handle(endpoint{method: "GET", path: "/projects/{id}/repository/files/{file}", query: []string{"ref"}}, func(r *http.Request, _ map[string]any) (int, any) {
		ref, path := r.FormValue("ref"), r.PathValue("file")
		content, err := s.git(nil, nil, "cat-file", "blob", ref+":"+path)
		if ref == "" || err != nil {
			return http.StatusNotFound, failure("404 File Not Found")
		}
		return http.StatusOK, map[string]any{"file_path": path, "encoding": "base64", "content": base64.StdEncoding.EncodeToString([]byte(content)),
			"size": len(content), "ref": ref, "last_commit_id": s.last(ref, path), "blob_id": strings.TrimSpace(s.Git("rev-parse", ref+":"+path))}
	})
}

func (s *Server) tree(r *http.Request, _ map[string]any) (int, any) {
	args := []string{"ls-tree", "-z"}
	if r.FormValue("recursive") == "true" {
		args = append(args, "-r", "-t")
	}
	folder := strings.TrimSuffix(r.FormValue("path"), "/") + "/"
	out, err := s.git(nil, nil, append(args, r.FormValue("ref"), "--", folder)...)
	if err != nil || out == "" {
		return http.StatusNotFound, failure("404 invalid revision or path Not Found")
	}
	var entries [][]string
	for entry := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		what, path, _ := strings.Cut(entry, "\t")
		if strings.HasPrefix(path, folder) {
			entries = append(entries, append(strings.Fields(what), path))
		}
	}
	return list(r, entries, func(e []string) map[string]any {
		return map[string]any{"mode": e[0], "type": e[1], "id": e[2], "path": e[3], "name": filepath.Base(e[3])}
	})
}

// last is the commit that changed a file last.
func (s *Server) last(ref, path string) string {
	out, err := s.git(nil, nil, "rev-list", "-1", ref, "--", path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}
