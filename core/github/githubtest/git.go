package githubtest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

func sum(text []byte) uint64 {
	h := fnv.New64a()
	h.Write(text)
	return h.Sum64()
}

// Git runs git in the repository.
func (s *Server) Git(args ...string) string {
	s.t.Helper()
	return s.GitIn("", args...)
}

// GitIn runs git in the repository with an input.
func (s *Server) GitIn(in string, args ...string) string {
	s.t.Helper()
	out, err := s.git([]byte(in), nil, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *Server) git(in []byte, environ []string, args ...string) (string, error) {
	cmd := exec.Command("git", append([]string{"--git-dir", s.Dir}, args...)...)
	cmd.Env = append(os.Environ(), environ...)
	cmd.Stdin = bytes.NewReader(in)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, complaints.String())
	}
	return string(out), nil
}

const zero = "0000000000000000000000000000000000000000"

func (s *Server) refObject(ref, sha string) map[string]any {
	return map[string]any{"ref": ref, "node_id": "n", "url": s.URL + "/" + ref,
		"object": map[string]any{"type": "commit", "sha": sha, "url": s.URL + "/git/commits/" + sha}}
}

// routesRefs are the operations on refs.
func (s *Server) routesRefs() {
	s.handle("GET", "/git/matching-refs/{ref}", func(r *http.Request, _ map[string]any) (int, any) {
		out, err := s.git(nil, nil, "for-each-ref", "--format=%(objectname) %(refname)")
		if err != nil {
			return http.StatusInternalServerError, failure(err.Error())
		}
		all := []any{}
		for line := range strings.Lines(out) {
			sha, ref, _ := strings.Cut(strings.TrimSpace(line), " ")
			if strings.HasPrefix(ref, "refs/"+r.PathValue("ref")) {
				all = append(all, s.refObject(ref, sha))
			}
		}
		return http.StatusOK, all
	})
	s.handle("POST", "/git/refs", func(_ *http.Request, body map[string]any) (int, any) {
		ref, sha := text(body, "ref"), text(body, "sha")
		if _, err := s.git(nil, nil, "cat-file", "-e", sha); err != nil {
			return http.StatusUnprocessableEntity, failure("Object does not exist")
		}
		if _, err := s.git(nil, nil, "update-ref", ref, sha, zero); err != nil {
			return http.StatusUnprocessableEntity, failure("Reference already exists")
		}
		return http.StatusCreated, s.refObject(ref, sha)
	})
	s.handle("PATCH", "/git/refs/{ref}", func(r *http.Request, body map[string]any) (int, any) {
		ref, sha := "refs/"+r.PathValue("ref"), text(body, "sha")
		out, err := s.git(nil, nil, "rev-parse", "--verify", "--quiet", ref)
		if err != nil {
			return http.StatusUnprocessableEntity, failure("Reference does not exist")
		}
		old := strings.TrimSpace(out)
		force, _ := body["force"].(bool)
		if _, err := s.git(nil, nil, "merge-base", "--is-ancestor", old, sha); err != nil && !force {
			return http.StatusUnprocessableEntity, failure("Update is not a fast forward")
		}
		if _, err := s.git(nil, nil, "update-ref", ref, sha, old); err != nil {
			return http.StatusConflict, failure("Reference cannot be updated")
		}
		return http.StatusOK, s.refObject(ref, sha)
	})
}

// routesObjects are the operations on commits, trees and blobs.
func (s *Server) routesObjects() {
	s.handle("GET", "/git/commits/{commit_sha}", func(r *http.Request, _ map[string]any) (int, any) {
		return s.commit(r.PathValue("commit_sha"), http.StatusOK)
	})
	s.handle("POST", "/git/commits", s.makeCommit)
	s.handle("GET", "/git/trees/{tree_sha}", func(r *http.Request, _ map[string]any) (int, any) {
		args := []string{"ls-tree", "-l", "-z"}
		if r.FormValue("recursive") != "" {
			args = append(args, "-r", "-t")
		}
		return s.tree(r.PathValue("tree_sha"), http.StatusOK, args...)
	})
	s.handle("POST", "/git/trees", s.makeTree)
	s.handle("GET", "/git/blobs/{file_sha}", func(r *http.Request, _ map[string]any) (int, any) {
		sha := r.PathValue("file_sha")
		content, err := s.git(nil, nil, "cat-file", "blob", sha)
		if err != nil {
			return http.StatusNotFound, failure("Not Found")
		}
		return http.StatusOK, map[string]any{"content": base64.StdEncoding.EncodeToString([]byte(content)), "encoding": "base64",
			"url": s.URL + "/git/blobs/" + sha, "sha": sha, "size": len(content), "node_id": "n"}
	})
}

func (s *Server) commit(sha string, status int) (int, any) {
	out, err := s.git(nil, nil, "show", "-s", "--format=%T%n%P%n%an%n%ae%n%aI%n%cn%n%ce%n%cI%n%B", sha)
	if err != nil {
		return http.StatusNotFound, failure("Not Found")
	}
	f := strings.SplitN(out, "\n", 9)
	parents := []any{}
	for _, p := range strings.Fields(f[1]) {
		parents = append(parents, map[string]any{"sha": p, "url": s.URL + "/git/commits/" + p, "html_url": s.URL + "/commit/" + p})
	}
	return status, map[string]any{
		"sha": sha, "node_id": "n", "url": s.URL + "/git/commits/" + sha, "html_url": s.URL + "/commit/" + sha,
		"author":    map[string]any{"name": f[2], "email": f[3], "date": f[4]},
		"committer": map[string]any{"name": f[5], "email": f[6], "date": f[7]},
		"message":   strings.TrimRight(f[8], "\n"), "parents": parents,
		"tree":         map[string]any{"sha": f[0], "url": s.URL + "/git/trees/" + f[0]},
		"verification": map[string]any{"verified": false, "reason": "unsigned", "signature": nil, "payload": nil, "verified_at": nil},
	}
}

func (s *Server) makeCommit(_ *http.Request, body map[string]any) (int, any) {
	args := []string{"commit-tree", text(body, "tree")}
	parents, _ := body["parents"].([]any)
	for _, p := range parents {
		args = append(args, "-p", fmt.Sprint(p))
	}
	var environ []string
	for _, who := range []string{"author", "committer"} {
		by, _ := body[who].(map[string]any)
		if by == nil {
			by, _ = body["author"].(map[string]any)
		}
		at, err := time.Parse(time.RFC3339, text(by, "date"))
		if err != nil {
			return http.StatusUnprocessableEntity, failure("no date")
		}
		key := "GIT_" + strings.ToUpper(who)
		environ = append(environ, key+"_NAME="+text(by, "name"), key+"_EMAIL="+text(by, "email"), fmt.Sprintf("%s_DATE=@%d +0000", key, at.Unix()))
	}
	sha, err := s.git([]byte(text(body, "message")), environ, args...)
	if err != nil {
		return http.StatusUnprocessableEntity, failure(err.Error())
	}
	return s.commit(strings.TrimSpace(sha), http.StatusCreated)
}

func (s *Server) tree(sha string, status int, list ...string) (int, any) {
	out, err := s.git(nil, nil, append(list, sha)...)
	if err != nil {
		return http.StatusNotFound, failure("Not Found")
	}
	entries := []any{}
	for entry := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		what, path, _ := strings.Cut(entry, "\t")
		f := strings.Fields(what)
		if len(f) < 3 {
			continue
		}
		e := map[string]any{"path": path, "mode": f[0], "type": f[1], "sha": f[2], "url": s.URL + "/git/" + f[1] + "s/" + f[2]}
		entries = append(entries, e)
	}
	return status, map[string]any{"sha": sha, "url": s.URL + "/git/trees/" + sha, "truncated": false, "tree": entries}
}

// makeTree makes a tree of files with their content, on top of another.
func (s *Server) makeTree(_ *http.Request, body map[string]any) (int, any) {
	dir, err := os.MkdirTemp("", "githubtest-index-")
	if err != nil {
		return http.StatusInternalServerError, failure(err.Error())
	}
	defer os.RemoveAll(dir)
	index := []string{"GIT_INDEX_FILE=" + dir + "/index"}
	if base := text(body, "base_tree"); base != "" {
		kind, err := s.git(nil, nil, "cat-file", "-t", base)
		if err != nil || strings.TrimSpace(kind) != "tree" {
			return http.StatusUnprocessableEntity, failure("base_tree is not a valid tree oid")
		}
		if _, err := s.git(nil, index, "read-tree", base); err != nil {
			return http.StatusUnprocessableEntity, failure(err.Error())
		}
	}
	entries, _ := body["tree"].([]any)
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		sha, err := s.git([]byte(text(entry, "content")), nil, "hash-object", "-w", "--stdin")
		if err != nil {
			return http.StatusUnprocessableEntity, failure(err.Error())
		}
		if _, err := s.git(nil, index, "update-index", "--add", "--cacheinfo", text(entry, "mode"), strings.TrimSpace(sha), text(entry, "path")); err != nil {
			return http.StatusUnprocessableEntity, failure(err.Error())
		}
	}
	sha, err := s.git(nil, index, "write-tree")
	if err != nil {
		return http.StatusUnprocessableEntity, failure(err.Error())
	}
	return s.tree(strings.TrimSpace(sha), http.StatusCreated, "ls-tree", "-l", "-z")
}
