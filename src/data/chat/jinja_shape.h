#pragma once

#include <string>
#include <string_view>

namespace ingot::data {

/// A Jinja chat template with everything written one way that says the same in another: two texts of one shape render the same.
///
/// What is printed stands as terms, `{{'<|im_start|>'+message['role']+'\n'}}`, with literals, raw text and outputs that follow one
/// another joined and their escapes undone; tags stand without spaces, attributes as items, text in single quotes; blanks go where
/// transformers' trim_blocks and lstrip_blocks drop them. Gone are comments, {% generation %} marks and reasons given to
/// raise_exception.
std::string jinja_shape(std::string_view jinja);

}  // namespace ingot::data
