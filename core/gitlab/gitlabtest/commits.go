package gitlabtest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
)

// Race lets a function run between GitLab's look at a file's last commit and the commit itself, once: what that look
// does not see is the reason for the small window that last_commit_id leaves.
func (s *Server) Race(with func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.racing = with
}

// An act is one action of a commit.
type act struct{ action, path, content, last string }

// routesCommits is the making of commits.
func (s *Server) routesCommits() {
	s.handle(endpoint{method: "POST", path: "/projects/{id}/repository/commits", fields: []string{"!branch", "!commit_message", "!actions",
		"start_branch", "start_sha", "start_project", "author_email", "author_name", "stats", "force"}}, func(_ *http.Request, body map[string]any) (int, any) {
		acts, wrong := actsOf(body)
		if wrong != "" {
			s.t.Errorf("an action is not what GitLab documents: %s", wrong)
			return http.StatusBadRequest, failure(wrong)
		}
		branch, start := text(body, "branch"), text(body, "start_branch")
		if why := s.admits(branch, start, acts); why != "" {
			return http.StatusBadRequest, failure(why)
		}
		s.mu.Lock()
		racing := s.racing
		s.racing = nil
		s.mu.Unlock()
		if racing != nil {
			racing()
		}
		commit, why := s.commit(branch, start, text(body, "commit_message"), acts)
		if why != "" {
			return http.StatusBadRequest, failure(why)
		}
		return http.StatusCreated, map[string]any{"id": commit, "parent_ids": strings.Fields(s.Git("show", "-s", "--format=%P", commit))}
	})
}

func actsOf(body map[string]any) (acts []act, wrong string) {
	known := []string{"action", "file_path", "previous_path", "content", "encoding", "last_commit_id", "execute_filemode"}
	actions, _ := body["actions"].([]any)
	for _, each := range actions {
		fields, _ := each.(map[string]any)
		for name := range fields {
			if !slices.Contains(known, name) {
				return nil, "unknown field " + name
			}
		}
		a := act{text(fields, "action"), text(fields, "file_path"), text(fields, "content"), text(fields, "last_commit_id")}
		if !slices.Contains([]string{"create", "update", "delete"}, a.action) || a.path == "" {
			return nil, "action or file_path"
		}
		if text(fields, "encoding") == "base64" {
			content, err := base64.StdEncoding.DecodeString(a.content)
			if err != nil {
				return nil, err.Error()
			}
			a.content = string(content)
		}
		acts = append(acts, a)
	}
	return acts, ""
}

// head is where a branch is; empty if it is nowhere.
func (s *Server) head(branch string) string {
	out, err := s.git(nil, nil, "rev-parse", "--verify", "--quiet", "refs/heads/"+branch)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}

// admits is what GitLab asks before it lets its git server make the commit.
func (s *Server) admits(branch, start string, acts []act) string {
	head := s.head(branch)
	switch {
	case head == "" && start == "":
		return "You can only create or edit files when you are on a branch"
	case head != "" && start != "":
		return fmt.Sprintf("A branch called '%s' already exists. Switch to that branch in order to make changes", branch)
	}
	for _, a := range acts {
		if a.action != "create" && a.last != "" && s.last(head, a.path) != a.last {
			return "You are attempting to " + a.action + " a file that has changed since you started editing it."
		}
	}
	return ""
}

// commit is what the git server does: it finds the branch anew, and moves it only from there.
func (s *Server) commit(branch, start, message string, acts []act) (commit, why string) {
	old := s.head(branch)
	parent := old
	if parent == "" {
		if parent = s.head(start); parent == "" {
			return "", "Invalid start branch"
		}
		old = zero
	}
	dir, err := os.MkdirTemp("", "gitlabtest-index-")
	if err != nil {
		return "", err.Error()
	}
	defer os.RemoveAll(dir)
	index := []string{"GIT_INDEX_FILE=" + dir + "/index"}
	if _, err := s.git(nil, index, "read-tree", parent); err != nil {
		return "", err.Error()
	}
	for _, a := range acts {
		if why := s.stage(index, a); why != "" {
			return "", why
		}
	}
	tree, err := s.git(nil, index, "write-tree")
	if err != nil {
		return "", err.Error()
	}
	made, err := s.git([]byte(message), nil, "commit-tree", strings.TrimSpace(tree), "-p", parent)
	if err != nil {
		return "", err.Error()
	}
	commit = strings.TrimSpace(made)
	if _, err := s.git(nil, nil, "update-ref", "refs/heads/"+branch, commit, old); err != nil {
		return "", fmt.Sprintf("Could not update refs/heads/%s. Please refresh and try again.", branch)
	}
	return commit, ""
}

// stage carries out one action on an index.
func (s *Server) stage(index []string, a act) (why string) {
	there, err := s.git(nil, index, "ls-files", "--", a.path)
	if err != nil {
		return err.Error()
	}
	switch {
	case a.action == "create" && there != "":
		return "A file with this name already exists"
	case a.action != "create" && there == "":
		return "A file with this name doesn't exist"
	case a.action == "delete":
		if _, err := s.git(nil, index, "rm", "--cached", "--quiet", "--", a.path); err != nil {
			return err.Error()
		}
		return ""
	}
	blob, err := s.git([]byte(a.content), nil, "hash-object", "-w", "--stdin")
	if err != nil {
		return err.Error()
	}
	if _, err := s.git(nil, index, "update-index", "--add", "--cacheinfo", "100644", strings.TrimSpace(blob), a.path); err != nil {
		return err.Error()
	}
	return ""
}

// Change changes a branch as somebody with a clone would: it adds an empty file and removes another; "" is none.
func (s *Server) Change(branch, add, remove string) {
	s.t.Helper()
	var acts []act
	if add != "" {
		acts = append(acts, act{action: "create", path: add})
	}
	if remove != "" {
		acts = append(acts, act{action: "delete", path: remove})
	}
	if _, why := s.commit(branch, "", "by hand", acts); why != "" {
		s.t.Fatal(why)
	}
}
