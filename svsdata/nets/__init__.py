"""Networks: tensors in, tensors out; they know no files and no stores."""
