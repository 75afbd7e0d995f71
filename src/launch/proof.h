#pragma once

#include <string>

namespace ingot::launch {

/// What two programs of a job tell each other before anything else, so that a stranger gets nowhere:
///
///   host   PROTOCOL, nonce a
///   guest  hello, version of its program, nonce b, HMAC(token, guest a b version)
///   host   welcome, HMAC(token, host a b)          or: refused, why
///
/// The token is a secret of the job; it never travels, and a proof that was overheard is of no use again, for the nonces are random. What comes
/// after is neither encrypted nor signed: who can change packets on their way can change what the ranks say. Tensors go over connections of
/// Gloo's own, which have no proof; their ports are random, told to those alone who are in, and each expects one peer.
constexpr const char* kProtocol = "ingot meeting 1";

/// 256 random bits of the system, as 64 hexadecimal digits: a token, or a nonce. Throws CommError when the system has none.
std::string random_secret();

std::string guest_proof(const std::string& token, const std::string& host_nonce, const std::string& guest_nonce, const std::string& version);
std::string host_proof(const std::string& token, const std::string& host_nonce, const std::string& guest_nonce);

/// Takes the same time wherever they differ.
bool is_same_proof(const std::string& found, const std::string& wanted);

/// Of this program. Two of a job must have the same.
std::string program_version();

}  // namespace ingot::launch
