package codecommit

import "regexp"

// A Remote is a repository as its URL names it.
type Remote struct {
	Host, Region, Repository string
	URL                      string // of the host alone
}

// urlForm also knows of the hosts of FIPS and of China, and of a port, which CodeCommit itself has none of.
var urlForm = regexp.MustCompile(`^(https://((?:git-codecommit|git-codecommit-fips)\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?)(?::[0-9]+)?)/v1/repos/([\w.-]{1,100})$`)

// ParseURL reads the URL of a repository for git over HTTPS. It reports false for any other, and for one that has a user name:
// then somebody has a login of their own.
func ParseURL(url string) (Remote, bool) {
	m := urlForm.FindStringSubmatch(url)
	if m == nil {
		return Remote{}, false
	}
	return Remote{URL: m[1], Host: m[2], Region: m[3], Repository: m[4]}, true
}

// IsRepository reports whether a text may be the name of a repository.
func IsRepository(name string) bool { return repositoryForm.MatchString(name) }
