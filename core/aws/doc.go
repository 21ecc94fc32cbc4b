// Package aws is the way to AWS. It knows what every user of its APIs must know and nothing of rollouts: whose credentials
// and which region, in which account we are, how long to wait when a service is busy, and how many requests were sent.
//
// Source: "Configure the AWS SDK for Go v2" and "Retries and timeouts" in its developer guide, and the SDK's code.
package aws
