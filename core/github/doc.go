// Package github is the way to one repository on GitHub. It knows what every user of the API must know and nothing of
// rollouts: where the API is, how long to wait when it is busy, which requests may be sent twice, and how many were.
//
// Source: "Best practices for using the REST API" and "Rate limits for the REST API" in GitHub's documentation.
package github
