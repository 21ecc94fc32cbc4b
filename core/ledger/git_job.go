package ledger

import (
	"encoding/base64"
	"errors"

	"github.com/breakwater-ci/breakwater/core/gitlab"
)

// jobRemote is where a git: URL without a place leads: to the repository of the GitLab job that this process runs in. It
// needs no clone. The login is that of the job, or of a token that goes before it; git gets it as a setting, by
// environment, so it is neither in a URL nor on a command line. The setting is emptied first: git would send two headers
// where the clone's configuration has one as well.
func jobRemote(environ []string) (url string, login []setting, err error) {
	get := func(name string) string { return lookup(environ, name) }
	if url = get("CI_PROJECT_URL"); url == "" {
		return "", nil, errors.New("it says no place; write git:REMOTE or git:URL; only a GitLab job has a place of its own")
	}
	url += ".git"
	user, password := gitlab.Login(get)
	if password == "" {
		return url, nil, nil
	}
	header := "http." + url + ".extraHeader"
	basic := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	return url, []setting{{header, ""}, {header, "Authorization: Basic " + basic}}, nil
}
