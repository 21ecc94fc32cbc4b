package gitlab

const (
	// TokenVariable holds a project access token, which goes before the job's own. No command of a plan sees it.
	TokenVariable = "BREAKWATER_TOKEN"

	jobTokenVariable = "CI_JOB_TOKEN"
)

// Login is the user name and the password with which git reaches the project: of a project access token if there is one,
// which may have any name, else of the job; empty if there is neither.
func Login(lookup func(name string) string) (user, password string) {
	if token := lookup(TokenVariable); token != "" {
		return "breakwater", token
	}
	if token := lookup(jobTokenVariable); token != "" {
		return "gitlab-ci-token", token
	}
	return "", ""
}
